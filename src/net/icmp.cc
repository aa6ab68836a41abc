// SPDX-License-Identifier: Apache-2.0
#include "net/icmp.h"

#include <algorithm>
#include <cassert>

#include "net/checksum.h"

namespace flannel {
namespace {

using Kind = IcmpError::Kind;

constexpr std::size_t kIcmpHeaderLength = 8;
constexpr std::size_t kIcmpChecksumAt = 2;
constexpr std::size_t kMtuAt = 4;  // a number of 32 bits, of which ICMPv4 uses the second half
constexpr std::size_t kQuotedPayload4 = 8;
constexpr std::uint8_t kRedirect6 = 137;
constexpr std::size_t kFragmentFlagsAt = 6;  // in the IPv4 header
constexpr std::uint8_t kDontFragmentFlag = 0x40;

struct TypeAndCode {
  std::uint8_t type;
  std::uint8_t code;
};

TypeAndCode type_of(Kind kind, Family family) {
  const bool is_v4 = family == Family::v4;
  switch (kind) {
    case Kind::time_exceeded:
      return {static_cast<std::uint8_t>(is_v4 ? 11 : 3), 0};
    case Kind::packet_too_big:
      return is_v4 ? TypeAndCode{3, 4} : TypeAndCode{2, 0};
    case Kind::net_unreachable:
      break;
  }
  return {static_cast<std::uint8_t>(is_v4 ? 3 : 1), 0};
}

bool is_broadcast(const IpAddress& ip) {
  return ip.is_v4() && ip.v4_value() == 0xffffffff;
}

bool is_one_host(const IpAddress& ip) {
  const bool is_reserved = ip.is_v4() && ip.v4_value() >> 28 == 0xf;
  return !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !is_reserved;
}

// ICMPv4 queries (echo, timestamp and others) may be answered by an error, so that ping and
// traceroute can report it. An ICMP error may not, nor an ICMPv4 message of an unknown type, which
// might be an error. ICMPv6 errors have types below 128.
bool is_query(Family family, ByteView icmp) {
  constexpr std::array<std::uint8_t, 10> kQueries4{0, 8, 9, 10, 13, 14, 15, 16, 17, 18};
  if (icmp.empty()) return false;
  if (family == Family::v6) return icmp[0] >= 128 && icmp[0] != kRedirect6;
  return std::ranges::find(kQueries4, icmp[0]) != kQueries4.end();
}

bool may_answer(Kind kind, const IpHeader& ip, ByteView offender) {
  if (!ip.has_transport || !is_one_host(ip.source)) return false;
  const bool is_v4 = ip.family() == Family::v4;
  const bool is_too_big = kind == Kind::packet_too_big;
  if (is_too_big && is_v4 && (offender[kFragmentFlagsAt] & kDontFragmentFlag) == 0) return false;
  const bool is_to_many = ip.destination.is_multicast() || is_broadcast(ip.destination);
  if (is_to_many && !(is_too_big && !is_v4)) return false;
  return ip.protocol != (is_v4 ? kProtocolIcmp : kProtocolIcmp6) ||
         is_query(ip.family(), offender.subspan(ip.header_length));
}

// Writes the IP header of an ICMP packet that fills `bytes`.
void write_ip_header(ByteSpan bytes, const IpAddress& from, const IpAddress& to,
                     std::uint8_t hop_limit) {
  if (to.is_v4()) {
    return Ip4Header{.total_length = static_cast<std::uint16_t>(bytes.size()),
                     .ttl = hop_limit,
                     .protocol = kProtocolIcmp,
                     .source = from,
                     .destination = to}
        .write(bytes);
  }
  Ip6Header{.payload_length = static_cast<std::uint16_t>(bytes.size() - kIp6HeaderLength),
            .next_header = kProtocolIcmp6,
            .hop_limit = hop_limit,
            .source = from,
            .destination = to}
      .write(bytes);
}

// An IPv4 header with its options and 8 bytes more; as much as fits of an IPv6 packet.
std::size_t most_quoted(const IpHeader& ip) {
  if (ip.family() == Family::v4) return ip.header_length + kQuotedPayload4;
  return IcmpErrorPacket::kMost - kIp6HeaderLength - kIcmpHeaderLength;
}

}  // namespace

std::optional<IcmpErrorPacket> make_icmp_error(const IcmpError& error, const IpAddress& from,
                                               std::uint8_t hop_limit, ByteView offender) {
  const auto ip = IpHeader::parse(offender);
  if (!ip || !may_answer(error.kind, *ip, offender)) return std::nullopt;
  assert(from.family == ip->family());

  const ByteView quoted = offender.first(std::min(offender.size(), most_quoted(*ip)));
  const std::size_t ip_length = ip_header_min(ip->family());
  IcmpErrorPacket packet;
  packet.size = ip_length + kIcmpHeaderLength + quoted.size();
  const ByteSpan bytes{packet.bytes.data(), packet.size};
  write_ip_header(bytes, from, ip->source, hop_limit);

  const ByteSpan icmp = bytes.subspan(ip_length);
  const auto [type, code] = type_of(error.kind, ip->family());
  icmp[0] = type;
  icmp[1] = code;
  store_be16(icmp, kIcmpChecksumAt, 0);
  store_be32(icmp, kMtuAt, error.mtu);
  std::ranges::copy(quoted, icmp.begin() + kIcmpHeaderLength);
  // ICMPv6 covers a pseudo header, ICMPv4 none.
  const std::uint16_t pseudo = from.is_v4()
                                   ? 0
                                   : pseudo_header_sum(from, ip->source, kProtocolIcmp6,
                                                       static_cast<std::uint16_t>(icmp.size()));
  store_be16(icmp, kIcmpChecksumAt, static_cast<std::uint16_t>(~add_sums(pseudo, ones_sum(icmp))));
  return packet;
}

}  // namespace flannel
