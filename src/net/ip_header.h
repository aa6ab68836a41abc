// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "net/address.h"
#include "net/bytes.h"
#include "net/ip4_header.h"
#include "net/ip6_header.h"

namespace flannel {

inline constexpr std::size_t ip_header_min(Family family) {
  return family == Family::v4 ? kIp4HeaderMin : kIp6HeaderLength;
}

// The header of an IP packet of either family, as far as a router reads it.
struct IpHeader {
  IpAddress source = {};
  IpAddress destination = {};  // of the same family
  // The packet's length as its header says, unchecked. An IPv6 jumbo payload option is not read:
  // such a packet says that it has 40 bytes.
  std::size_t total_length = 0;
  // Bytes before the transport header, with options or extension headers; at most the packet's.
  std::size_t header_length = kIp4HeaderMin;
  std::uint8_t protocol = 0;   // of what follows these bytes
  std::uint8_t hop_limit = 0;  // IPv4: the TTL
  std::uint16_t id = 0;        // IPv4: the identification
  bool is_fragment = false;    // the packet is one of several fragments
  // Routers may cut the packet (IPv4 without "don't fragment").
  bool may_be_fragmented = false;
  // A transport header begins at `header_length`. False in a fragment after the first, and where
  // walk_extension_headers() gives up.
  bool has_transport = true;

  Family family() const { return source.family; }
  // There are neither options nor extension headers.
  bool is_plain() const { return header_length == ip_header_min(family()); }
  // The packet may belong to any flow between its addresses, because it may have no ports, or
  // because later packets of its flow have none.
  bool is_of_unknown_flow() const { return is_fragment || !has_transport; }

  // The header at the start of `packet`; nullopt if the version is neither 4 nor 6, or if the
  // header (of IPv4 with its options) does not fit in `packet`.
  static std::optional<IpHeader> parse(ByteView packet);
};

// True if `packet`, which begins with the header `ip`, is not damaged there. IPv6 headers have no
// checksum.
bool has_valid_header_checksum(const IpHeader& ip, ByteView packet);

// Decrements the TTL or hop limit by one. An IPv4 checksum is updated and not recomputed, so an
// invalid one remains invalid. `packet` begins with a valid header whose hop limit is above 0.
void decrement_hop_limit(ByteSpan packet);

// Makes `header`, a whole header of either family with options or extension headers, that of a
// packet of `total_length` bytes (of IPv6: at most 65575). `id` is used for IPv4 only.
void rewrite_ip_header(ByteSpan header, std::size_t total_length, std::uint16_t id);

// True if no router may forward the packet, which begins with the header `ip`: it is from or to an
// address that is valid only on a link or a host, to many hosts, or belongs to IPv6 neighbour
// discovery (RFC 4861), whose messages end at a router, as do multicast listener reports.
bool stays_on_link(const IpHeader& ip, ByteView packet);

}  // namespace flannel
