// SPDX-License-Identifier: Apache-2.0
#include "backend/udp.h"

#include <fmt/format.h>

#include "backend/peer_rules.h"
#include "core/go_json.h"

namespace flannel {
namespace {

constexpr int kMostQueues = 64;

Result<UdpOptions> read_udp_options(JsonObject& json) {
  UdpOptions options;
  TRY(json.string("Type"));
  // 0 is upstream's value for an absent option.
  if (const auto port = TRY(json.integer("Port", 0, 65535)); port && *port != 0) {
    options.port = static_cast<std::uint16_t>(*port);
  }
  options.accept_any = TRY(json.boolean("AcceptAny")).value_or(false);
  options.persistent = TRY(json.boolean("Persistent")).value_or(true);
  options.queues = static_cast<int>(TRY(json.integer("Queues", 1, kMostQueues)).value_or(0));
  return options;
}

}  // namespace

Result<MadeBackend> UdpBackend::make(const NetworkConfig& config, const Underlay& underlay) {
  const std::string& text = config.backend_options;
  auto json = TRY(JsonObject::parse(text.empty() ? "{}" : text, "the udp backend's options"));
  MadeBackend made;
  const UdpOptions options = TRY(read_udp_options(json));
  const std::uint32_t overhead = udp_overhead(underlay.v6 ? Family::v6 : Family::v4);
  for (const IpPrefix& network : config.networks())
    TRY(check_underlay_mtu(kType, overhead, network.family(), underlay));
  append_unknown_options(json, made.warnings);
  made.backend = std::make_unique<UdpBackend>(options, config.networks());
  return made;
}

LeaseAttributes UdpBackend::announce(const HostFacts& host, const Lease*) const {
  auto attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend = announced();
  attributes.mtu = announced_mtu(overlay_mtu(host));
  return attributes;
}

Result<IpAddress> UdpBackend::carrier(const Lease& peer, Family, const HostFacts& host) const {
  return carrier_in_any(Family::v4, peer, host);
}

Companion UdpBackend::companion(const HostFacts& host) const {
  const PacketPathWishes& wishes = host.packet_path;
  std::vector<IpEndpoint> local;
  for (const UnderlayAddress& at : values_of(host.underlay))
    local.push_back({at.ip, options_.port});
  return PacketPathSettings{.device = "flannel%d",
                            .local = std::move(local),
                            .peer_port = options_.port,
                            .mtu = overlay_mtu(host),
                            .networks = networks_,
                            .queues = wishes.queues != 0 ? wishes.queues : options_.queues,
                            .cpus = wishes.cpus,
                            .receive_buffer = wishes.receive_buffer,
                            .send_buffer = wishes.send_buffer,
                            .persistent = options_.persistent,
                            .accept_any = options_.accept_any || wishes.accept_any};
}

// The kernel adds the route to the network if the address has the network's prefix length, and no
// route if the address is alone in its prefix.
NetState UdpBackend::host_state(const Lease& own, const HostFacts& host) const {
  NetState state;
  state.links.push_back(
      {.name = host.tun_device, .kind = TunSettings{}, .mtu = overlay_mtu(host), .up = true});
  for (const IpPrefix& network : networks_) {
    const auto& subnet = own.subnet.at(network.family());
    if (!subnet) continue;
    const std::uint8_t bits = host.route_each_peer ? address_bits(network.family()) : network.bits;
    state.addresses.push_back({.link = host.tun_device, .ip = subnet->base, .bits = bits});
  }
  return state;
}

// Packets reach a peer by an entry of the packet path's table; a kernel object is needed only
// without a route for the whole network, or if packets to this peer are smaller than to others. The
// announced backend type is ignored, as in every flannel.
Result<NetState> UdpBackend::peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                                        const PeerPath& path) const {
  TRY(check_peer(own, peer, host, path, peer.attributes.backend_type));
  NetState state;
  const std::uint32_t mtu = route_mtu(peer, path.family, overlay_mtu(host));
  if (host.route_each_peer || mtu != 0) {
    state.routes.push_back(
        {.to = *peer.subnet.at(path.family), .link = host.tun_device, .mtu = mtu});
  }
  return state;
}

}  // namespace flannel
