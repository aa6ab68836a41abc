// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "net/address.h"
#include "net/bytes.h"

namespace flannel {

inline constexpr std::size_t kIp6HeaderLength = 40;

// Offsets of the fields that a router changes.
inline constexpr std::size_t kIp6PayloadLengthAt = 4;
inline constexpr std::size_t kIp6HopLimitAt = 7;

// Values of a Next Header field, in addition to the protocols that both families have.
inline constexpr std::uint8_t kProtocolHopByHop = 0;
inline constexpr std::uint8_t kProtocolRouting = 43;
inline constexpr std::uint8_t kProtocolFragment = 44;
inline constexpr std::uint8_t kProtocolIcmp6 = 58;
inline constexpr std::uint8_t kProtocolDestinationOptions = 60;

// The fixed IPv6 header (RFC 8200) as values.
struct Ip6Header {
  std::uint8_t traffic_class = 0;
  std::uint32_t flow_label = 0;      // 20 bits
  std::uint16_t payload_length = 0;  // as in the header, unchecked; includes extension headers
  std::uint8_t next_header = 0;
  std::uint8_t hop_limit = 64;
  IpAddress source = IpAddress::unspecified(Family::v6);
  IpAddress destination = IpAddress::unspecified(Family::v6);

  // The header at the start of `packet`; nullopt if the version is not 6 or there are fewer than 40
  // bytes.
  static std::optional<Ip6Header> parse(ByteView packet);

  // Writes 40 bytes.
  void write(ByteSpan into) const;

  bool operator==(const Ip6Header&) const = default;
};

// What follows the extension headers of a packet.
struct Ip6Payload {
  std::uint8_t protocol = 0;              // of the header at `offset`
  std::size_t offset = kIp6HeaderLength;  // from the start of the packet; at most its length
  bool is_fragment = false;               // there is a fragment header, of more than one fragment
  // The headers lead to the start of a transport header. False in a fragment after the first, and
  // if an extension header does not fit in the packet or more than kMaxExtensionHeaders precede.
  bool is_reached = true;
};

// Hosts send at most five different ones (RFC 8200, 4.1), of which one may occur twice.
inline constexpr int kMaxExtensionHeaders = 8;

// Walks over the hop-by-hop, routing, fragment and destination options headers of a packet that
// begins with `ip`. The options in them are not read; a jumbo payload option (RFC 2675) has no
// effect.
Ip6Payload walk_extension_headers(const Ip6Header& ip, ByteView packet);

}  // namespace flannel
