// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "net/address.h"
#include "net/bytes.h"

namespace flannel {

inline constexpr std::size_t kIp4HeaderMin = 20;
inline constexpr std::size_t kIp4HeaderMax = 60;

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;

// An IPv4 header (RFC 791) as values; options are not decoded, only counted in `header_length`.
struct Ip4Header {
  std::uint8_t header_length = kIp4HeaderMin;  // bytes
  std::uint8_t tos = 0;
  std::uint16_t total_length = 0;  // as the header claims; nobody has compared it with anything
  std::uint16_t id = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;  // bytes
  std::uint8_t ttl = 64;
  std::uint8_t protocol = 0;
  std::uint16_t checksum = 0;
  Ip4 source = {};
  Ip4 destination = {};

  bool is_fragment() const { return more_fragments || fragment_offset != 0; }

  // The header at the start of `packet`; nothing if the version is not 4 or the header, with its
  // options, does not fit in `packet`.
  static std::optional<Ip4Header> parse(ByteView packet);

  // Writes 20 bytes without options, with the right checksum (`checksum` is not looked at).
  void write(ByteSpan into) const;

  bool operator==(const Ip4Header&) const = default;
};

// The checksum over `header` (all of the header, with options) is right.
bool has_valid_ip4_checksum(ByteView header);

// Sets the total length and the identification and computes the checksum anew.
void rewrite_ip4_header(ByteSpan header, std::uint16_t total_length, std::uint16_t id);

// One hop: the TTL goes down by one, the checksum is updated and not recomputed, so that a wrong
// one stays wrong. `packet` holds a parsed header with a TTL above 0.
void decrement_ttl(ByteSpan packet);

}  // namespace flannel
