// SPDX-License-Identifier: Apache-2.0
#include "probe/packet.h"

#include <algorithm>

#include "net/checksum.h"
#include "net/ip_header.h"
#include "net/transport_header.h"

namespace flannel {
namespace {

constexpr std::size_t kIcmpHeader = 8;
constexpr std::size_t kIcmpIdAt = 4;
constexpr std::size_t kChecksumAt = 2;  // in an ICMP header

// RFC 792 and RFC 4443.
constexpr std::uint8_t echo_request(Family family) {
  return family == Family::v4 ? 8 : 128;
}
constexpr std::uint8_t echo_answer(Family family) {
  return family == Family::v4 ? 0 : 129;
}
constexpr std::uint8_t icmp_of(Family family) {
  return family == Family::v4 ? kProtocolIcmp : kProtocolIcmp6;
}

// A packet with its IP header, and zeros after that.
std::vector<std::uint8_t> begin_packet(const ProbeRoute& route, std::uint8_t protocol,
                                       std::uint16_t size) {
  const Family family = route.to.family;
  const std::uint16_t whole = std::max(size, least_probe_size(family));
  std::vector<std::uint8_t> packet(whole);
  if (family == Family::v4) {
    Ip4Header{.total_length = whole,
              .dont_fragment = true,
              .ttl = route.hop_limit,
              .protocol = protocol,
              .source = route.from,
              .destination = route.to}
        .write(packet);
  } else {
    Ip6Header{.payload_length = static_cast<std::uint16_t>(whole - kIp6HeaderLength),
              .next_header = protocol,
              .hop_limit = route.hop_limit,
              .source = route.from,
              .destination = route.to}
        .write(packet);
  }
  return packet;
}

std::uint16_t transport_checksum(const ProbeRoute& route, std::uint8_t protocol, ByteView segment) {
  const std::uint16_t pseudo =
      pseudo_header_sum(route.from, route.to, protocol, static_cast<std::uint16_t>(segment.size()));
  return static_cast<std::uint16_t>(~add_sums(pseudo, ones_sum(segment)));
}

void write_echo(ByteSpan icmp, Family family, std::uint64_t nonce) {
  icmp[0] = echo_request(family);
  store_be16(icmp, kIcmpIdAt, kEchoId);
  store_be64(icmp, kIcmpHeader, nonce);
}

}  // namespace

std::vector<std::uint8_t> probe_packet(const ProbeRoute& route, const ProbeMessage& message,
                                       std::uint16_t size) {
  auto packet = begin_packet(route, kProtocolUdp, size);
  const ByteSpan udp = ByteSpan(packet).subspan(ip_header_min(route.to.family));
  UdpHeader header{.source_port = kProbePort,
                   .destination_port = kProbePort,
                   .length = static_cast<std::uint16_t>(udp.size())};
  header.write(udp);
  message.write(udp.subspan(kUdpHeaderLength));
  const std::uint16_t checksum = transport_checksum(route, kProtocolUdp, udp);
  store_be16(udp, kUdpChecksumAt, checksum == 0 ? std::uint16_t{0xFFFF} : checksum);  // RFC 768
  return packet;
}

std::vector<std::uint8_t> echo_packet(const ProbeRoute& route, std::uint64_t nonce,
                                      std::uint16_t size) {
  const Family family = route.to.family;
  auto packet = begin_packet(route, icmp_of(family), size);
  const ByteSpan icmp = ByteSpan(packet).subspan(ip_header_min(family));
  write_echo(icmp, family, nonce);
  const std::uint16_t checksum = family == Family::v4
                                     ? internet_checksum(icmp)
                                     : transport_checksum(route, kProtocolIcmp6, icmp);
  store_be16(icmp, kChecksumAt, checksum);
  return packet;
}

std::vector<std::uint8_t> echo_message(Family family, std::uint64_t nonce) {
  std::vector<std::uint8_t> icmp(kIcmpHeader + sizeof nonce);
  write_echo(icmp, family, nonce);
  if (family == Family::v4) store_be16(icmp, kChecksumAt, internet_checksum(icmp));
  return icmp;
}

std::optional<std::uint64_t> nonce_in_echo_answer(Family family, ByteView icmp) {
  if (icmp.size() < kIcmpHeader + sizeof(std::uint64_t)) return std::nullopt;
  if (icmp[0] != echo_answer(family) || load_be16(icmp, kIcmpIdAt) != kEchoId) return std::nullopt;
  return load_be64(icmp, kIcmpHeader);
}

namespace {

ProbeMessage::Checksum read_checksum_state(const IpHeader& ip, ByteView packet) {
  if (ip.total_length > packet.size()) return ProbeMessage::Checksum::not_seen;
  const ByteView udp = packet.subspan(ip.header_length, ip.total_length - ip.header_length);
  return has_valid_transport_checksum(ip, udp) ? ProbeMessage::Checksum::right
                                               : ProbeMessage::Checksum::wrong;
}

}  // namespace

std::optional<ArrivedProbe> read_probe(ByteView packet) {
  const auto ip = IpHeader::parse(packet);
  if (!ip || ip->is_fragment || !ip->has_transport || ip->header_length > packet.size()) {
    return std::nullopt;
  }
  ArrivedProbe arrived{
      .from = ip->source,
      .to = ip->destination,
      .size = static_cast<std::uint16_t>(std::min<std::size_t>(ip->total_length, 0xFFFF)),
      .content = {}};
  const ByteView rest = packet.subspan(ip->header_length);
  if (ip->protocol == icmp_of(ip->family())) {
    const auto nonce = nonce_in_echo_answer(ip->family(), rest);
    if (!nonce) return std::nullopt;
    arrived.content = *nonce;
    return arrived;
  }
  const auto udp = ip->protocol == kProtocolUdp ? UdpHeader::parse(rest) : std::nullopt;
  if (!udp || udp->destination_port != kProbePort) return std::nullopt;
  const auto message = ProbeMessage::parse(rest.subspan(kUdpHeaderLength));
  if (!message) return std::nullopt;
  arrived.checksum = read_checksum_state(*ip, packet);
  arrived.content = *message;
  return arrived;
}

}  // namespace flannel
