// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) and its incremental update (RFC 1624). A "sum" is the one's
// complement sum of big-endian 16-bit words, folded to 16 bits; a "checksum" is the inverted sum,
// as stored in a header.
#pragma once

#include <cstdint>

#include "net/address.h"
#include "net/bytes.h"

namespace flannel {

constexpr std::uint16_t add_sums(std::uint16_t a, std::uint16_t b) {
  const std::uint32_t sum = std::uint32_t{a} + b;
  return static_cast<std::uint16_t>(sum + (sum >> 16));
}

// Returns the sum of `bytes`; an odd last byte counts as the high half of a word. The sums of
// several parts may be added if every part but the last has an even length.
std::uint16_t ones_sum(ByteView bytes);

// Copies `from` to `to` and returns its sum. `to` has room for `from` and does not overlap it.
std::uint16_t copy_and_sum(std::uint8_t* to, ByteView from);

inline std::uint16_t internet_checksum(ByteView bytes) {
  return static_cast<std::uint16_t>(~ones_sum(bytes));
}

// The sum of the pseudo header that the checksums of TCP, UDP and ICMPv6 cover. The addresses are
// of one family; `length` covers the transport header and its payload.
std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                std::uint8_t protocol, std::uint16_t length);

// Returns the checksum after one covered word has changed (RFC 1624, equation 3).
constexpr std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t old_word,
                                        std::uint16_t new_word) {
  const auto inverted = [](std::uint16_t word) { return static_cast<std::uint16_t>(~word); };
  return inverted(add_sums(add_sums(inverted(checksum), inverted(old_word)), new_word));
}

}  // namespace flannel
