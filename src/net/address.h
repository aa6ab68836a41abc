// SPDX-License-Identifier: Apache-2.0
// Addresses as values. Texts are parsed once, where they enter the program; all other code compares
// numbers.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flannel {

enum class Family : std::uint8_t { v4, v6 };
inline constexpr std::array kFamilies{Family::v4, Family::v6};

// The values that are there, IPv4 first, of a pair of optional values with `at(Family)`.
template <typename Pair>
auto values_of(const Pair& pair) {
  std::vector<typename std::remove_cvref_t<decltype(pair.at(Family::v4))>::value_type> values;
  for (const Family family : kFamilies) {
    if (const auto& value = pair.at(family)) values.push_back(*value);
  }
  return values;
}

constexpr std::uint8_t address_bits(Family family) {
  return family == Family::v4 ? 32 : 128;
}

// An address of either family; 0.0.0.0 by default. All IPv4 addresses are before all IPv6 ones.
struct IpAddress {
  Family family = Family::v4;
  // In network byte order. IPv4: the first four; the others are 0.
  std::array<std::uint8_t, 16> bytes{};

  // Accepts an address of either family.
  static Result<IpAddress> parse(std::string_view text);
  static Result<IpAddress> parse(std::string_view text, Family family);
  // Accepts a dotted quad of decimal numbers without leading zeros, and no other characters.
  static Result<IpAddress> parse_v4(std::string_view text);
  static Result<IpAddress> parse_v6(std::string_view text);  // RFC 4291 text; not IPv4 text

  // The IPv4 address of a number in host byte order: 10.5.0.1 is 0x0a050001.
  static constexpr IpAddress v4(std::uint32_t value) {
    IpAddress ip;
    for (std::size_t i = 0; i < 4; ++i)
      ip.bytes[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
    return ip;
  }
  static constexpr IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    IpAddress ip;
    ip.bytes = {a, b, c, d};
    return ip;
  }
  static constexpr IpAddress v6(const std::array<std::uint8_t, 16>& bytes) {
    return {Family::v6, bytes};
  }
  static constexpr IpAddress unspecified(Family family) { return {family, {}}; }
  // Four or sixteen bytes in network byte order; nullopt: another number of bytes.
  static std::optional<IpAddress> from_bytes(std::span<const std::uint8_t> bytes);

  bool is_v4() const { return family == Family::v4; }
  bool is_v6() const { return family == Family::v6; }
  // The number of an IPv4 address in host byte order.
  constexpr std::uint32_t v4_value() const {
    return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
           static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
  }
  // The first and the last eight bytes as numbers in host byte order.
  constexpr std::pair<std::uint64_t, std::uint64_t> halves() const {
    const auto [first, last] = std::bit_cast<std::array<std::uint64_t, 2>>(bytes);
    if constexpr (std::endian::native == std::endian::big) return {first, last};
    return {__builtin_bswap64(first), __builtin_bswap64(last)};
  }
  // The bytes that the family uses: four or sixteen.
  std::span<const std::uint8_t> octets() const { return {bytes.data(), is_v4() ? 4U : 16U}; }

  bool is_unspecified() const;
  bool is_loopback() const;      // 127/8, ::1
  bool is_multicast() const;     // 224/4, ff00::/8
  bool is_link_local() const;    // 169.254/16 (RFC 3927), fe80::/10
  bool is_unique_local() const;  // fc00::/7 (RFC 4193); never IPv4
  // Global unicast as in Go's net package (private ranges included): not unspecified, broadcast,
  // loopback, multicast or link-local. flannel prefers such addresses for the underlay.
  bool is_global_unicast() const;

  // True for an address to which other hosts can send: a global unicast one; of IPv4 also a
  // link-local one, which some clouds use between hosts.
  bool can_be_public() const { return is_global_unicast() || (is_v4() && is_link_local()); }

  // The address `count` * 2^`shift` after this one; it wraps around after the last of the family.
  IpAddress plus(std::uint64_t count, unsigned shift = 0) const;
  // The number of whole steps of 2^`shift` from `start`, an address of the same family that is not
  // after this one, to this address; 2^64-1 if there are more.
  std::uint64_t steps_after(const IpAddress& start, unsigned shift) const;

  bool operator==(const IpAddress&) const = default;
  // Compares numbers, since the default one calls memcmp(), which took a sixth of the time of a
  // start with many peers.
  constexpr std::strong_ordering operator<=>(const IpAddress& other) const {
    if (family != other.family) return family <=> other.family;
    return halves() <=> other.halves();
  }
};

// A network of either family; 0.0.0.0/0 by default. Host bits are always zero.
struct IpPrefix {
  IpAddress base;
  std::uint8_t bits = 0;  // 0..32 or 0..128

  static IpPrefix of(const IpAddress& address, std::uint8_t bits);  // clears the host bits
  // "10.5.0.0/16", "fd00:12::/56"; host bits are cleared.
  static Result<IpPrefix> parse(std::string_view text);  // of either family
  static Result<IpPrefix> parse(std::string_view text, Family family);
  static Result<IpPrefix> parse_v4(std::string_view text);
  static Result<IpPrefix> parse_v6(std::string_view text);

  Family family() const { return base.family; }
  // The number of bits after the prefix: 8 in 10.5.1.0/24.
  unsigned host_bits() const { return address_bits(family()) - unsigned{bits}; }
  // The network mask of an IPv4 network in host byte order.
  std::uint32_t v4_mask() const { return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits); }
  IpAddress last() const;
  bool contains(const IpAddress& address) const;
  bool contains(const IpPrefix& inner) const { return inner.bits >= bits && contains(inner.base); }
  bool overlaps(const IpPrefix& other) const {
    return contains(other.base) || other.contains(base);
  }
  auto operator<=>(const IpPrefix&) const = default;
};

struct Mac {
  std::array<std::uint8_t, 6> bytes{};

  // Accepts the 48-bit forms of Go's net.ParseMAC: "aa:bb:..", "aa-bb-..", "aabb.ccdd.eeff".
  static Result<Mac> parse(std::string_view text);
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
  bool is_zero() const { return bytes == std::array<std::uint8_t, 6>{}; }
  auto operator<=>(const Mac&) const = default;
};

// An address and a UDP or TCP port (host byte order).
struct IpEndpoint {
  IpAddress ip;
  std::uint16_t port = 0;
  auto operator<=>(const IpEndpoint&) const = default;
};

std::string_view to_string(Family family);   // "IPv4", "IPv6"
std::string to_string(const IpAddress& ip);  // "10.5.0.1"; IPv6 by RFC 5952: lower case, compressed
std::string to_string(const IpPrefix& net);  // "10.5.0.0/16"
std::string to_string(const Mac& mac);       // "aa:bb:cc:dd:ee:ff"
std::string to_string(const IpEndpoint& endpoint);  // "10.5.0.1:8285", "[fd00::1]:8285"

}  // namespace flannel

template <>
struct std::hash<flannel::IpAddress> {
  std::size_t operator()(const flannel::IpAddress& ip) const noexcept;
};

template <>
struct std::hash<flannel::IpPrefix> {
  std::size_t operator()(const flannel::IpPrefix& net) const noexcept;
};
