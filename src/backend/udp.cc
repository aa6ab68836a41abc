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

Result<MadeBackend> UdpBackend::make(std::string_view options_json, const IpPrefix& network,
                                     const Underlay& underlay) {
  auto json = TRY(
      JsonObject::parse(options_json.empty() ? "{}" : options_json, "the udp backend's options"));
  MadeBackend made;
  const UdpOptions options = TRY(read_udp_options(json));
  constexpr std::uint32_t kOverhead = udp_overhead(Family::v4);
  if (underlay.mtu < kOverhead + kMinDeviceMtu) {
    return fail(ErrorKind::unsupported,
                fmt::format("udp adds {} bytes to a packet, and {} takes only {}", kOverhead,
                            underlay.interface, underlay.mtu));
  }
  append_unknown_options(json, made.warnings);
  made.backend = std::make_unique<UdpBackend>(options, network);
  return made;
}

LeaseAttributes UdpBackend::announce(const HostFacts& host, const Lease*) const {
  LeaseAttributes attributes;
  attributes.public_ip = host.underlay.v4->public_ip;
  return attributes;
}

std::optional<PacketPathSettings> UdpBackend::packet_path(const HostFacts& host) const {
  const PacketPathWishes& wishes = host.packet_path;
  return PacketPathSettings{.device = "flannel%d",
                            .local = {{host.underlay.v4->ip, options_.port}},
                            .peer_port = options_.port,
                            .mtu = overlay_mtu(host),
                            .networks = {network_},
                            .queues = wishes.queues != 0 ? wishes.queues : options_.queues,
                            .cpus = wishes.cpus,
                            .receive_buffer = wishes.receive_buffer,
                            .send_buffer = wishes.send_buffer,
                            .persistent = options_.persistent,
                            .accept_any = options_.accept_any || wishes.accept_any};
}

// The kernel adds the route to the network if the address has the network's prefix length, and no
// route if it has 32 bits.
NetState UdpBackend::host_state(const Lease& own, const HostFacts& host) const {
  NetState state;
  state.links.push_back(
      {.name = host.tun_device, .kind = TunSettings{}, .mtu = overlay_mtu(host), .up = true});
  const std::uint8_t bits = host.route_each_peer ? 32 : network_.bits;
  state.addresses.push_back({.link = host.tun_device, .ip = own.subnet.v4.base, .bits = bits});
  return state;
}

// Packets reach a peer by an entry of the packet path's table; a kernel object is needed only
// without a route for the whole network. The announced backend type is ignored, as in every
// flannel.
Result<NetState> UdpBackend::peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                                        const PeerFacts&) const {
  TRY(check_peer(own, peer, host, peer.attributes.backend_type));
  NetState state;
  if (host.route_each_peer) {
    state.routes.push_back({.to = peer.subnet.v4, .link = host.tun_device});
  }
  return state;
}

}  // namespace flannel
