// SPDX-License-Identifier: Apache-2.0
#include "net/icmp.h"

#include <algorithm>

#include "net/checksum.h"

namespace flannel {
namespace {

constexpr std::size_t kIcmpHeaderLength = 8;
constexpr std::size_t kQuotedPayload = 8;
constexpr std::uint8_t kDestinationUnreachable = 3;
constexpr std::uint8_t kTimeExceeded = 11;

bool is_one_host(IpAddress ip) {
  return !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() &&
         ip.v4_value() >> 28 != 0xf;
}

// ICMP queries (echo, timestamp and others) may be answered by an error, so that ping and
// traceroute can report it. An ICMP error may not, nor an unknown type, which might be an error.
bool is_query(ByteView icmp) {
  constexpr std::array<std::uint8_t, 10> kQueries{0, 8, 9, 10, 13, 14, 15, 16, 17, 18};
  return !icmp.empty() && std::ranges::find(kQueries, icmp[0]) != kQueries.end();
}

bool may_answer(const Ip4Header& ip, ByteView payload) {
  if (ip.fragment_offset != 0 || !is_one_host(ip.source)) return false;
  if (ip.destination.is_multicast() || ip.destination.v4_value() == 0xffffffff) return false;
  return ip.protocol != kProtocolIcmp || is_query(payload);
}

}  // namespace

std::optional<IcmpErrorPacket> make_icmp_error(IcmpError error, IpAddress from, std::uint8_t ttl,
                                               ByteView offender) {
  const auto ip = Ip4Header::parse(offender);
  if (!ip || !may_answer(*ip, offender.subspan(ip->header_length))) return std::nullopt;

  const ByteView quoted =
      offender.first(std::min(offender.size(), ip->header_length + kQuotedPayload));
  IcmpErrorPacket packet;
  packet.size = kIp4HeaderMin + kIcmpHeaderLength + quoted.size();
  const ByteSpan bytes{packet.bytes.data(), packet.size};
  Ip4Header{.total_length = static_cast<std::uint16_t>(packet.size),
            .ttl = ttl,
            .protocol = kProtocolIcmp,
            .source = from,
            .destination = ip->source}
      .write(bytes);

  const ByteSpan icmp = bytes.subspan(kIp4HeaderMin);
  icmp[0] = error == IcmpError::net_unreachable ? kDestinationUnreachable : kTimeExceeded;
  std::ranges::copy(quoted, icmp.begin() + kIcmpHeaderLength);
  store_be16(icmp, 2, internet_checksum(icmp));
  return packet;
}

}  // namespace flannel
