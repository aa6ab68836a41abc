// SPDX-License-Identifier: Apache-2.0
// The ICMP errors (RFC 792) that a router of the overlay sends.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "net/ip4_header.h"

namespace flannel {

enum class IcmpError {
  net_unreachable,  // type 3 code 0
  time_exceeded,    // type 11 code 0
};

// A whole IPv4 packet: header, ICMP header, and the offending packet's header with up to 8 bytes
// after it.
struct IcmpErrorPacket {
  std::array<std::uint8_t, kIp4HeaderMin + 8 + kIp4HeaderMax + 8> bytes{};
  std::size_t size = 0;

  ByteView view() const { return ByteView{bytes}.first(size); }
};

// The error that `from` sends in answer to the packet `offender`. nullopt if the packet has no
// valid header, or if RFC 1122 3.2.2 forbids an error: the packet is itself an ICMP error (or ICMP
// of an unknown type), is a fragment after the first, has a destination that is not a single host,
// or has a source that is not a single host.
std::optional<IcmpErrorPacket> make_icmp_error(IcmpError error, IpAddress from, std::uint8_t ttl,
                                               ByteView offender);

}  // namespace flannel
