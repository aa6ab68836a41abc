// SPDX-License-Identifier: Apache-2.0
#include "ctl/tunnel_packet.h"

#include <fmt/format.h>

#include <string_view>

#include "base/parse.h"

namespace flannel {
namespace {

// The port in "vxlan (VNI 1, Port 8472)".
std::optional<std::uint16_t> port_in(std::string_view backend) {
  constexpr std::string_view kWord = "Port ";
  const auto at = backend.find(kWord);
  if (at == backend.npos) return std::nullopt;
  const std::string_view rest = backend.substr(at + kWord.size());
  return parse_decimal<std::uint16_t>(rest.substr(0, rest.find(')')));
}

std::optional<IpAddress> remote_of(const PeerView& peer, const PacketWay& way) {
  if (way.remote) return way.remote;
  if (peer.public_ips.empty()) return std::nullopt;
  return peer.public_ips.front();
}

// The address of this host on the underlay; nullopt: the daemon does not say it.
std::optional<IpAddress> own_address(const DaemonView& daemon, Family family) {
  const auto underlay = daemon.status.find("underlay");
  if (underlay == daemon.status.end() || !underlay->is_object()) return std::nullopt;
  const auto ip = underlay->find(family == Family::v4 ? "ip" : "ipv6");
  if (ip == underlay->end() || !ip->is_string()) return std::nullopt;
  const auto address = IpAddress::parse(ip->get<std::string>(), family);
  return address ? std::optional(*address) : std::nullopt;
}

// What is on the underlay, by the kind of the device.
struct Carried {
  std::string protocol = "udp";
  // nullopt: the protocol has none.
  std::optional<std::uint16_t> port_there{}, port_here{};
  // No packet of the other way makes it known to connection tracking.
  bool is_new = false;
};

// nullopt: nothing wraps the packet, or the ports are not known.
std::optional<Carried> carried_by(const PacketWay& way, const PeerView& peer) {
  if (way.kind == "ipip") return Carried{.protocol = "ipencap"};
  // The daemon does not say whether UDP carries ESP (UDPEncap).
  if (peer.backend == "ipsec") return Carried{.protocol = "esp"};
  if (way.kind == "wireguard") {
    if (!way.remote_port || !way.local_port) return std::nullopt;
    return Carried{.port_there = way.remote_port, .port_here = way.local_port};
  }
  if (way.kind != "vxlan" && way.kind != "tun") return std::nullopt;
  const auto port = port_in(peer.backend);
  if (!port) return std::nullopt;
  // With udp and WireGuard one pair of ports is for both ways; with vxlan the sender's port varies.
  return Carried{.port_there = port, .port_here = port, .is_new = way.kind == "vxlan"};
}

}  // namespace

std::optional<TunnelPackets> tunnel_packets(const DaemonView& daemon, const PeerView& peer,
                                            const PacketWay& way) {
  const auto carried = carried_by(way, peer);
  const auto remote = remote_of(peer, way);
  if (!carried || !remote) return std::nullopt;
  const auto own = own_address(daemon, remote->family);
  const auto underlay = packet_way(IpAddress::unspecified(remote->family), *remote, "");
  if (!own || !underlay || underlay->device.empty()) return std::nullopt;
  TunnelPackets packets;
  packets.sent = {.source = *own,
                  .destination = *remote,
                  .in = "",
                  .out = underlay->device,
                  .protocol = carried->protocol,
                  .port = carried->port_there,
                  .course = trace::Course::sent,
                  .is_new = carried->is_new};
  packets.received = {.source = *remote,
                      .destination = *own,
                      .in = underlay->device,
                      .out = "",
                      .protocol = carried->protocol,
                      .port = carried->port_here,
                      .course = trace::Course::received,
                      .is_new = carried->is_new};
  return packets;
}

std::string in_words(const trace::Packet& tunnel) {
  if (tunnel.port) return fmt::format("udp/{}", *tunnel.port);
  return tunnel.protocol == "esp" ? "IP protocol 50" : "IP protocol 4";
}

}  // namespace flannel
