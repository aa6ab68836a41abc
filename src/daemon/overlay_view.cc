// SPDX-License-Identifier: Apache-2.0
// The part of Overlay that describes the present state to the packet filter, the checks of the host
// and the packet paths.
#include <algorithm>

#include "daemon/overlay.h"

namespace flannel {

OverlayIngress Overlay::ingress() const {
  OverlayIngress ingress{.underlay = parts_.planes.host().underlay.interface};
  for (const auto& plane : parts_.planes.all()) {
    for (const BackendDevice& device : plane->devices()) {
      if (has_network(device.family)) ingress.devices.push_back({device.name, device.family});
    }
  }
  for (const auto& [subnet, way] : planned_) {
    if (way.unwrapped) ingress.neighbours.push_back(way.carrier);
  }
  std::ranges::sort(ingress.neighbours);
  const auto twice = std::ranges::unique(ingress.neighbours);
  ingress.neighbours.erase(twice.begin(), twice.end());
  return ingress;
}

std::vector<HostQuery> Overlay::host_queries() const {
  std::vector<HostQuery> queries;
  for (const IpPrefix& network : networks_) {
    if (own_->subnet.at(network.family())) queries.push_back(host_query(network));
  }
  return queries;
}

// The devices of our dataplane come first.
HostQuery Overlay::host_query(const IpPrefix& network) const {
  const Family family = network.family();
  HostQuery query{.network = network, .own_subnet = *own_->subnet.at(family), .devices = {}};
  for (const auto& plane : parts_.planes.all()) {
    for (const BackendDevice& device : plane->devices()) {
      if (device.family == family) query.devices.push_back(device.name);
    }
  }
  const bool any_unwrapped = std::ranges::any_of(planned_, [family](const auto& peer) {
    return peer.second.unwrapped && peer.first.family() == family;
  });
  if (query.devices.empty() || any_unwrapped) {
    query.devices.push_back(parts_.planes.host().underlay.interface);
  }
  return query;
}

OverlayView Overlay::view(Family family) const {
  const auto network = std::ranges::find(networks_, family, &IpPrefix::family);
  const HostQuery query = host_query(*network);
  OverlayView view{.network = query.network,
                   .own_subnet = query.own_subnet,
                   .device = query.devices.front(),
                   .route_to_network = routes_whole_network()};
  view.peers.reserve(planned_.size());
  for (const auto& [subnet, way] : planned_) {
    if (subnet.family() == family) view.peers.push_back(subnet);
  }
  return view;
}

void Overlay::publish_tables() {
  for (const auto& plane : parts_.planes.all()) {
    if (plane->path) publish_table(*plane);
  }
}

// A peer that announces another backend may still send to us by this one.
std::vector<OverlayPeer> Overlay::senders_to(const Dataplane& plane) const {
  std::vector<OverlayPeer> peers;
  peers.reserve(planned_.size());
  const std::uint16_t port = plane.settings.peer_port;
  for (const auto& [name, lease] : leases_) {
    for (const IpPrefix& subnet : values_of(lease->subnet)) {
      const auto way = planned_.find(subnet);
      if (way == planned_.end()) continue;
      const bool by_this = way->second.plane.get() == &plane;
      const auto carrier = by_this ? Result<IpAddress>(way->second.carrier)
                                   : plane.backend->carrier(lease, subnet.family(), plane.host);
      if (carrier) peers.push_back({subnet, {*carrier, port}});
    }
  }
  return peers;
}

void Overlay::publish_table(const Dataplane& plane) {
  const PacketPathSettings settings = *plane.backend->packet_path(plane.host);
  OverlayHost host{.mtu = settings.mtu, .accept_any = settings.accept_any};
  for (const IpPrefix& network : networks_) {
    const auto& subnet = own_->subnet.at(network.family());
    if (!subnet) continue;
    host.at(network.family()) =
        OwnSubnet{.subnet = *subnet, .tunnel_address = subnet->base, .network = network};
  }
  plane.path->publish(std::make_shared<ForwardTable>(host, senders_to(plane)));
}

}  // namespace flannel
