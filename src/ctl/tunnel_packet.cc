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

}  // namespace

std::optional<TunnelPackets> tunnel_packets(const DaemonView& daemon, const PeerView& peer,
                                            const PacketWay& way) {
  const bool is_ipip = way.kind == "ipip";
  if (way.kind != "vxlan" && way.kind != "tun" && !is_ipip) return std::nullopt;
  const auto port = port_in(peer.backend);
  const auto remote = remote_of(peer, way);
  if ((!port && !is_ipip) || !remote) return std::nullopt;
  const auto own = own_address(daemon, remote->family);
  const auto underlay = packet_way(IpAddress::unspecified(remote->family), *remote, "");
  if (!own || !underlay || underlay->device.empty()) return std::nullopt;
  // With udp one pair of ports is for both ways, and IPIP has none: what is sent makes the answers
  // known.
  const bool is_new = way.kind == "vxlan";
  const std::string protocol = is_ipip ? "ipencap" : "udp";
  TunnelPackets packets;
  packets.sent = {.source = *own,
                  .destination = *remote,
                  .in = "",
                  .out = underlay->device,
                  .protocol = protocol,
                  .port = port,
                  .course = trace::Course::sent,
                  .is_new = is_new};
  packets.received = {.source = *remote,
                      .destination = *own,
                      .in = underlay->device,
                      .out = "",
                      .protocol = protocol,
                      .port = port,
                      .course = trace::Course::received,
                      .is_new = is_new};
  return packets;
}

std::string in_words(const trace::Packet& tunnel) {
  return tunnel.port ? fmt::format("udp/{}", *tunnel.port) : "IP protocol 4";
}

}  // namespace flannel
