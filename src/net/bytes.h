// SPDX-License-Identifier: Apache-2.0
// Views of raw bytes, and numbers in network byte order inside them.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

namespace flannel {

using ByteView = std::span<const std::uint8_t>;
using ByteSpan = std::span<std::uint8_t>;

// The caller has checked that the field lies inside `bytes`.
inline std::uint16_t load_be16(ByteView bytes, std::size_t at) {
  assert(at + 2 <= bytes.size());
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

inline std::uint32_t load_be32(ByteView bytes, std::size_t at) {
  assert(at + 4 <= bytes.size());
  return static_cast<std::uint32_t>(bytes[at]) << 24 |
         static_cast<std::uint32_t>(bytes[at + 1]) << 16 |
         static_cast<std::uint32_t>(bytes[at + 2]) << 8 | bytes[at + 3];
}

inline std::uint64_t load_be64(ByteView bytes, std::size_t at) {
  return std::uint64_t{load_be32(bytes, at)} << 32 | load_be32(bytes, at + 4);
}

inline void store_be16(ByteSpan bytes, std::size_t at, std::uint16_t value) {
  assert(at + 2 <= bytes.size());
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

inline void store_be32(ByteSpan bytes, std::size_t at, std::uint32_t value) {
  assert(at + 4 <= bytes.size());
  bytes[at] = static_cast<std::uint8_t>(value >> 24);
  bytes[at + 1] = static_cast<std::uint8_t>(value >> 16);
  bytes[at + 2] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 3] = static_cast<std::uint8_t>(value);
}

inline void store_be64(ByteSpan bytes, std::size_t at, std::uint64_t value) {
  store_be32(bytes, at, static_cast<std::uint32_t>(value >> 32));
  store_be32(bytes, at + 4, static_cast<std::uint32_t>(value));
}

}  // namespace flannel
