// SPDX-License-Identifier: Apache-2.0
// The ICMP errors (RFC 792) that a router of the overlay answers with.
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

// A whole IPv4 packet: header, ICMP header, the offender's header and up to 8 bytes after it.
struct IcmpErrorPacket {
  std::array<std::uint8_t, kIp4HeaderMin + 8 + kIp4HeaderMax + 8> bytes{};
  std::size_t size = 0;

  ByteView view() const { return ByteView{bytes}.first(size); }
};

// The answer to `offender`, sent by `from`. Nothing where RFC 1122 3.2.2 forbids one: the offender
// is itself an ICMP error (or ICMP of an unknown type), a fragment after the first, sent to many
// hosts, or not from a single host; and if it has no readable header.
std::optional<IcmpErrorPacket> make_icmp_error(IcmpError error, Ip4 from, std::uint8_t ttl,
                                               ByteView offender);

}  // namespace flannel
