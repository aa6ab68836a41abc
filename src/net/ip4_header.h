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

// An IPv4 header (RFC 791) as values. Options are not decoded, but `header_length` includes them.
struct Ip4Header {
  std::uint8_t header_length = kIp4HeaderMin;  // bytes
  std::uint8_t tos = 0;
  std::uint16_t total_length = 0;  // as in the header, unchecked
  std::uint16_t id = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;  // bytes
  std::uint8_t ttl = 64;
  std::uint8_t protocol = 0;
  std::uint16_t checksum = 0;
  IpAddress source = {};
  IpAddress destination = {};

  bool is_fragment() const { return more_fragments || fragment_offset != 0; }

  // The header at the start of `packet`; nullopt if the version is not 4 or the header, with its
  // options, does not fit in `packet`.
  static std::optional<Ip4Header> parse(ByteView packet);

  // Writes 20 bytes without options and computes the checksum (`checksum` is ignored).
  void write(ByteSpan into) const;

  bool operator==(const Ip4Header&) const = default;
};

// True if the checksum over `header` (the whole header with options) is valid.
bool has_valid_ip4_checksum(ByteView header);

// Sets the total length and the identification, and recomputes the checksum.
void rewrite_ip4_header(ByteSpan header, std::uint16_t total_length, std::uint16_t id);

// Decrements the TTL by one. The checksum is updated and not recomputed, so an invalid one remains
// invalid. `packet` begins with a valid header with a TTL above 0.
void decrement_ttl(ByteSpan packet);

}  // namespace flannel
