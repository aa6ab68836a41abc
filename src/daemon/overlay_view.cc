// SPDX-License-Identifier: Apache-2.0
// The part of Overlay that describes the present state, and what is wrong with it. The packet
// filter, the checks of the host and the packet paths read the description.

#include <algorithm>
#include <utility>

#include "backend/extension.h"
#include "backend/host_gw.h"
#include "backend/vxlan.h"
#include "base/problem_kinds.h"
#include "daemon/overlay.h"

namespace flannel {

bool Overlay::is_removed() const {
  return !own_ && reconciler_.read_error().empty() && reconciler_.unmet().empty();
}

OverlayIngress Overlay::ingress() const {
  OverlayIngress ingress{.underlay = parts_.planes.host().underlay.interface};
  for (const auto& plane : parts_.planes.all()) {
    for (const BackendDevice& device : plane->devices()) {
      if (has_network(device.family)) ingress.devices.push_back({device.name, device.family});
    }
  }
  if (has_keys()) ingress.devices.push_back({ingress.underlay, Family::v4});
  ingress.neighbours.reserve(neighbours_.size());
  for (const auto& [carrier, ways] : neighbours_)
    ingress.neighbours.push_back(carrier);
  return ingress;
}

// Called when all that was planned is with the reconciler: what is called here may plan again.
void Overlay::report_changes() {
  if (std::exchange(ingress_changed_, false)) parts_.on_ingress();
  if (!std::exchange(scope_changed_, false)) return;
  parts_.on_scope();
  suspect();  // others may have changed new objects before these were watched
}

void Overlay::note_ways(const SubnetKey& peer) {
  if (!all_ways_changed_) changed_ways_.push_back(peer);
}

void Overlay::report_ways() {
  const auto changed = std::exchange(changed_ways_, {});
  if (std::exchange(all_ways_changed_, false)) return parts_.on_ways();
  if (!changed.empty()) parts_.on_ways_to(changed);
}

std::vector<ProbeTarget> Overlay::probe_targets() const {
  std::vector<ProbeTarget> targets;
  targets.reserve(planned_.size());
  for (const Shared<Lease>& lease : nested_.leases()) {
    for (const IpPrefix& subnet : values_of(lease->subnet)) {
      const auto way = planned_.find(subnet);
      if (way != planned_.end()) targets.push_back(probe_target(lease, subnet, way->second));
    }
  }
  return targets;
}

std::vector<ProbeTarget> Overlay::probe_targets(const SubnetKey& peer) const {
  std::vector<ProbeTarget> targets;
  const auto* lease = nested_.find_lease(peer.identity());
  if (lease == nullptr) return targets;
  for (const IpPrefix& subnet : values_of((*lease)->subnet)) {
    const auto way = planned_.find(subnet);
    if (way != planned_.end()) targets.push_back(probe_target(*lease, subnet, way->second));
  }
  return targets;
}

ProbeTarget Overlay::probe_target(const Lease& lease, const IpPrefix& subnet,
                                  const Way& way) const {
  const Dataplane& plane = *way.plane;
  ProbeTarget target{.subnet = subnet,
                     .peer = lease.subnet.identity().base,
                     .from = own_->subnet.at(subnet.family())->base,
                     .carrier = way.carrier,
                     .device = way.device,
                     .mac = way.mac,
                     .mtu = plane.overlay_mtu(),
                     .answers = lease.attributes.node.has_value(),
                     .is_offloaded = !plane.path,
                     .underlay = plane.host.underlay.interface};
  if (!way.unwrapped && !plane.commands)
    target.tunnel_port = plane.backend->tunnel_port(lease, way.carrier);
  target.tunnel_protocol = plane.backend->tunnel_protocol();
  if (plane.path) target.device = plane.path->device();
  target.can_fill_checksums =
      plane.announced.type == VxlanBackend::kType && !way.unwrapped && !parts_.software_checksums;
  if (lease.attributes.mtu != 0) target.mtu = std::min(target.mtu, lease.attributes.mtu);
  return target;
}

std::vector<ProbeDevice> Overlay::probe_devices() const {
  std::vector<ProbeDevice> devices;
  if (!own_) return devices;
  std::vector<std::string> names = parts_.planes.device_names();
  if (!neighbours_.empty() || has_keys()) names.push_back(parts_.planes.host().underlay.interface);
  for (const IpPrefix& own : values_of(own_->subnet)) {
    if (!has_network(own.family())) continue;
    for (const std::string& name : names)
      devices.push_back({name, own.base});
  }
  return devices;
}

std::vector<HostQuery> Overlay::host_queries() const {
  std::vector<HostQuery> queries;
  for (const IpPrefix& network : networks_) {
    if (own_->subnet.at(network.family())) queries.push_back(host_query(network));
  }
  if (!queries.empty()) queries.front().ports = true;
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
  if (!one_way_peers(family).empty()) query.one_way = parts_.planes.host().underlay.interface;
  return query;
}

// A host-gw host gets packets by the underlay from peers to which it sends by a device, because
// they do not announce host-gw yet. IPv6 has no check of sources.
std::vector<IpPrefix> Overlay::one_way_peers(Family family) const {
  std::vector<IpPrefix> peers;
  const bool any = family == Family::v4 && parts_.planes.all().size() > 1 &&
                   parts_.planes.ours().announced.type == HostGwBackend::kType;
  if (!any) return peers;
  for (const auto& [subnet, way] : planned_) {
    if (subnet.family() == family && !way.unwrapped) peers.push_back(subnet);
  }
  return peers;
}

OverlayView Overlay::view(Family family) const {
  const auto network = std::ranges::find(networks_, family, &IpPrefix::family);
  const HostQuery query = host_query(*network);
  OverlayView view{.network = query.network,
                   .own_subnet = query.own_subnet,
                   .device = query.devices.front(),
                   .route_to_network = routes_whole_network(),
                   .mtu = parts_.planes.ours().overlay_mtu(),
                   .one_way_peers = one_way_peers(family),
                   .one_way = query.one_way};
  view.peers.reserve(planned_.size());
  for (const auto& [subnet, way] : planned_) {
    // The routes that commands make are theirs.
    if (subnet.family() == family && !way.plane->commands) view.peers.push_back(subnet);
  }
  return view;
}

// Returns why packets to the network do not reach our device.
std::optional<Problem> Overlay::find_holder() const {
  if (!routes_whole_network()) return std::nullopt;
  for (const IpPrefix& network : networks_) {
    if (auto held = find_held(network, parts_.planes.host().surroundings)) return held;
  }
  return std::nullopt;
}

void Overlay::append_problems(std::vector<Problem>& all) const {
  for (const auto& [subnet, why] : unreachable_.named()) {
    if (why == kOurOwn) continue;
    all.push_back(make_problem(kPeerUnreachable, subnet, subnet + " cannot be reached: " + why));
  }
  if (unreachable_.more() > 0) {
    all.push_back(other_problems(kPeerUnreachable, unreachable_.more()));
  }
  if (!reconciler_.read_error().empty()) {
    all.push_back(make_problem(kKernelUnreadable, "", reconciler_.read_error()));
  }
  if (auto held = find_holder()) all.push_back(*std::move(held));
  for (const auto& [object, why] : reconciler_.unmet())
    all.push_back(make_problem(kKernelObjectUnmet, object, object + ": " + why));
  if (const std::size_t more = reconciler_.more_unmet(); more > 0) {
    all.push_back(other_problems(kKernelObjectUnmet, more));
  }
}

void Overlay::publish_tables() {
  for (const auto& plane : parts_.planes.all()) {
    if (plane->path) publish_table(*plane);
    if (plane->commands && own_) pass_to_commands(*plane);
    if (plane->keys && own_) pass_to_keys(*plane);
  }
}

// Commands get the values of each peer that is reached by them.
void Overlay::pass_to_commands(Dataplane& plane) {
  std::vector<CommandPeer> peers;
  for (const Shared<Lease>& lease : nested_.leases()) {
    SubnetKey reached;
    for (const IpPrefix& subnet : values_of(lease->subnet)) {
      const auto way = planned_.find(subnet);
      if (way != planned_.end() && way->second.plane.get() == &plane) {
        reached.at(subnet.family()) = subnet;
      }
    }
    if (reached.v4 || reached.v6) peers.push_back(command_peer(reached, lease->attributes));
  }
  plane.commands->set_lease(host_variables(networks_, *own_), std::move(peers));
}

// The two ends of each tunnel.
void Overlay::pass_to_keys(Dataplane& plane) {
  std::vector<IpsecPeer> peers;
  for (const auto& [subnet, way] : planned_) {
    const auto& own_subnet = own_->subnet.at(subnet.family());
    const auto& underlay = plane.host.underlay.at(way.carrier.family);
    if (way.plane.get() != &plane || !own_subnet || !underlay) continue;
    peers.push_back({.own_ip = underlay->public_ip,
                     .ip = way.carrier,
                     .own_subnet = *own_subnet,
                     .subnet = subnet});
  }
  plane.keys->set_peers(std::move(peers));
}

// A peer that announces another backend may still send to us by this one.
std::vector<OverlayPeer> Overlay::senders_to(const Dataplane& plane) const {
  std::vector<OverlayPeer> peers;
  peers.reserve(planned_.size());
  const std::uint16_t port = plane.settings.peer_port;
  for (const Shared<Lease>& lease : nested_.leases()) {
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

const PeerBytes* Overlay::bytes_of(const IpPrefix& subnet) const {
  const auto way = planned_.find(subnet);
  if (way == planned_.end() || !way->second.plane->table) return nullptr;
  return way->second.plane->table->bytes_of(subnet);
}

void Overlay::publish_table(Dataplane& plane) {
  const PacketPathSettings settings = *packet_path_of(*plane.backend, plane.host);
  OverlayHost host{.mtu = settings.mtu, .accept_any = settings.accept_any};
  for (const IpPrefix& network : networks_) {
    const auto& subnet = own_->subnet.at(network.family());
    if (!subnet) continue;
    host.at(network.family()) =
        OwnSubnet{.subnet = *subnet, .tunnel_address = subnet->base, .network = network};
  }
  plane.table = std::make_shared<const ForwardTable>(host, senders_to(plane), plane.table.get());
  plane.path->publish(plane.table);
}

}  // namespace flannel
