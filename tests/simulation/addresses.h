// SPDX-License-Identifier: Apache-2.0
// The addresses of simulated hosts. Each IPv4 address has an IPv6 twin, and a host has both, or one
// of the two. The IPv4 address is the name of the host in the simulation, even if the host has the
// IPv6 twin alone.
#pragma once

#include "core/lease.h"
#include "net/address.h"

namespace flannel::simulation {

// Of a record that no host has written; strangers have addresses in 192.168.9.0/24.
inline constexpr IpAddress kStranger = IpAddress::v4(192, 168, 9, 0);

// 2001:db8:5::c0a8:1 for 192.168.0.1.
constexpr IpAddress twin_of(IpAddress ip4) {
  return IpAddress::v6({0x20, 0x01, 0x0d, 0xb8, 0, 5, 0, 0, 0, 0, 0, 0, ip4.bytes[0], ip4.bytes[1],
                        ip4.bytes[2], ip4.bytes[3]});
}

// The IPv4 address by which the host that has these is named; 0.0.0.0: they are none.
inline IpAddress name_of(const PublicIps& ips) {
  if (ips.v4 || !ips.v6) return ips.v4.value_or(IpAddress());
  const auto& bytes = ips.v6->bytes;
  return IpAddress::v4(bytes[12], bytes[13], bytes[14], bytes[15]);
}
inline IpAddress name_of(const LeaseAttributes& attributes) {
  return name_of(attributes.public_ips());
}

// A host may come to have other addresses; the first one tells who it is. Later ones of host n are
// 192.168.100.n and so on.
constexpr IpAddress first_address(IpAddress ip) {
  const bool later = ((ip.v4_value() >> 8) & 0xff) >= 100;
  return later ? IpAddress::v4(ip.v4_value() & 0xffff00ff) : ip;
}

}  // namespace flannel::simulation
