// SPDX-License-Identifier: Apache-2.0
// The ICMP errors (RFC 792, RFC 4443) that a router of the overlay sends.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "net/ip_header.h"

namespace flannel {

struct IcmpError {
  enum class Kind : std::uint8_t {
    net_unreachable,  // IPv4: type 3 code 0; IPv6: type 1 code 0, no route to destination
    time_exceeded,    // type 11 code 0; type 3 code 0
    packet_too_big,   // type 3 code 4, fragmentation needed; type 2 code 0
  };
  Kind kind = Kind::net_unreachable;
  std::uint32_t mtu = 0;  // bytes that the next link carries; only for packet_too_big
};

// A whole packet: IP header, ICMP header, and the beginning of the offending packet: of IPv4 the
// header with up to 8 bytes after it, of IPv6 as much as fits in the minimum MTU of 1280 bytes.
struct IcmpErrorPacket {
  static constexpr std::size_t kMost = 1280;

  std::array<std::uint8_t, kMost> bytes{};
  std::size_t size = 0;

  ByteView view() const { return ByteView{bytes}.first(size); }
};

// The error that `from`, an address of the packet's family, sends in answer to the packet
// `offender`. nullopt if the packet has no valid header, or if RFC 1122 3.2.2 or RFC 4443 2.4 (e)
// forbids an error: the packet is itself an ICMP error (or ICMPv4 of an unknown type), or a
// redirect, or might be one (it is a fragment after the first, or its extension headers cannot be
// read), its destination is not a single host, unless it is too big for IPv6, or its source is not
// a single host. An IPv4 packet that may be fragmented is never answered "too big".
std::optional<IcmpErrorPacket> make_icmp_error(const IcmpError& error, const IpAddress& from,
                                               std::uint8_t hop_limit, ByteView offender);

}  // namespace flannel
