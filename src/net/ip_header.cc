// SPDX-License-Identifier: Apache-2.0
#include "net/ip_header.h"

#include <cassert>

namespace flannel {
namespace {

IpHeader of(const Ip4Header& ip) {
  return {.source = ip.source,
          .destination = ip.destination,
          .total_length = ip.total_length,
          .header_length = ip.header_length,
          .protocol = ip.protocol,
          .hop_limit = ip.ttl,
          .id = ip.id,
          .is_fragment = ip.is_fragment(),
          .may_be_fragmented = !ip.dont_fragment,
          .has_transport = ip.fragment_offset == 0};
}

IpHeader of(const Ip6Header& ip, const Ip6Payload& payload) {
  return {.source = ip.source,
          .destination = ip.destination,
          .total_length = kIp6HeaderLength + ip.payload_length,
          .header_length = payload.offset,
          .protocol = payload.protocol,
          .hop_limit = ip.hop_limit,
          .is_fragment = payload.is_fragment,
          .has_transport = payload.is_reached};
}

bool is_ip6(ByteView packet) {
  return packet[0] >> 4 == 6;
}

// Valid on this host or link only, or no address at all.
bool is_local(const IpAddress& ip) {
  return ip.is_unspecified() || ip.is_loopback() || ip.is_link_local();
}

// True for the ICMPv6 messages of multicast listener discovery and of neighbour discovery.
bool is_link_message(std::uint8_t type) {
  return (type >= 130 && type <= 137) || type == 143;
}

}  // namespace

std::optional<IpHeader> IpHeader::parse(ByteView packet) {
  if (packet.empty()) return std::nullopt;
  if (is_ip6(packet)) {
    const auto ip = Ip6Header::parse(packet);
    if (!ip) return std::nullopt;
    return of(*ip, walk_extension_headers(*ip, packet));
  }
  const auto ip = Ip4Header::parse(packet);
  if (!ip) return std::nullopt;
  return of(*ip);
}

bool has_valid_header_checksum(const IpHeader& ip, ByteView packet) {
  return ip.family() == Family::v6 || has_valid_ip4_checksum(packet.first(ip.header_length));
}

void decrement_hop_limit(ByteSpan packet) {
  if (!is_ip6(packet)) return decrement_ttl(packet);
  assert(packet.size() >= kIp6HeaderLength && packet[kIp6HopLimitAt] > 0);
  --packet[kIp6HopLimitAt];
}

void rewrite_ip_header(ByteSpan header, std::size_t total_length, std::uint16_t id) {
  if (!is_ip6(header)) {
    return rewrite_ip4_header(header, static_cast<std::uint16_t>(total_length), id);
  }
  store_be16(header, kIp6PayloadLengthAt,
             static_cast<std::uint16_t>(total_length - kIp6HeaderLength));
}

bool stays_on_link(const IpHeader& ip, ByteView packet) {
  if (is_local(ip.source) || is_local(ip.destination)) return true;
  if (ip.source.is_multicast() || ip.destination.is_multicast()) return true;
  return ip.family() == Family::v6 && ip.protocol == kProtocolIcmp6 && ip.has_transport &&
         ip.header_length < packet.size() && is_link_message(packet[ip.header_length]);
}

}  // namespace flannel
