// SPDX-License-Identifier: Apache-2.0
// Addresses as values. Texts are parsed once, where they enter the program; all other code compares
// numbers.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// An IPv4 address; `value` is in host byte order, so 10.5.0.1 is 0x0a050001.
struct Ip4 {
  std::uint32_t value = 0;

  // Accepts a dotted quad of decimal numbers without leading zeros, and no other characters.
  static Result<Ip4> parse(std::string_view text);
  static constexpr Ip4 of(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    return {static_cast<std::uint32_t>(a) << 24 | static_cast<std::uint32_t>(b) << 16 |
            static_cast<std::uint32_t>(c) << 8 | d};
  }
  bool is_unspecified() const { return value == 0; }
  bool is_loopback() const { return value >> 24 == 127; }
  bool is_multicast() const { return value >> 28 == 0xe; }
  bool is_link_local() const { return value >> 16 == 0xa9fe; }  // 169.254/16, RFC 3927
  // Global unicast as in Go's net package (private ranges included): not unspecified, broadcast,
  // loopback, multicast or link-local. flannel prefers such addresses for the underlay.
  bool is_global_unicast() const;
  auto operator<=>(const Ip4&) const = default;
};

// An IPv6 address in network byte order.
struct Ip6 {
  std::array<std::uint8_t, 16> bytes{};

  static Result<Ip6> parse(std::string_view text);  // RFC 4291 text; IPv4 text is refused
  bool is_link_local() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
  bool is_multicast() const { return bytes[0] == 0xff; }
  auto operator<=>(const Ip6&) const = default;
};

// An IPv4 network. Host bits are always zero.
struct Cidr4 {
  Ip4 base;
  std::uint8_t bits = 0;  // 0..32

  static Cidr4 of(Ip4 address, std::uint8_t bits);    // clears the host bits
  static Result<Cidr4> parse(std::string_view text);  // "10.5.0.0/16"; host bits are cleared
  std::uint32_t mask() const { return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits); }
  std::uint64_t size() const { return std::uint64_t{1} << (32 - bits); }
  Ip4 last() const { return {base.value | ~mask()}; }
  bool contains(Ip4 address) const { return (address.value & mask()) == base.value; }
  bool contains(const Cidr4& inner) const { return inner.bits >= bits && contains(inner.base); }
  bool overlaps(const Cidr4& other) const { return contains(other.base) || other.contains(base); }
  auto operator<=>(const Cidr4&) const = default;
};

// An IPv6 network. Host bits are always zero.
struct Cidr6 {
  Ip6 base;
  std::uint8_t bits = 0;  // 0..128

  static Cidr6 of(Ip6 address, std::uint8_t bits);
  static Result<Cidr6> parse(std::string_view text);  // "fd00:12::/56"
  bool contains(const Ip6& address) const;
  auto operator<=>(const Cidr6&) const = default;
};

struct Mac {
  std::array<std::uint8_t, 6> bytes{};

  // Accepts the 48-bit forms of Go's net.ParseMAC: "aa:bb:..", "aa-bb-..", "aabb.ccdd.eeff".
  static Result<Mac> parse(std::string_view text);
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
  bool is_zero() const { return bytes == std::array<std::uint8_t, 6>{}; }
  auto operator<=>(const Mac&) const = default;
};

// An IPv4 address and a UDP or TCP port (host byte order).
struct Endpoint4 {
  Ip4 ip;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint4&) const = default;
};

std::string to_string(Ip4 ip);            // "10.5.0.1"
std::string to_string(const Ip6& ip);     // RFC 5952: lower case, compressed
std::string to_string(const Cidr4& net);  // "10.5.0.0/16"
std::string to_string(const Cidr6& net);
std::string to_string(const Mac& mac);  // "aa:bb:cc:dd:ee:ff"
std::string to_string(const Endpoint4& endpoint);

}  // namespace flannel

template <>
struct std::hash<flannel::Ip4> {
  std::size_t operator()(flannel::Ip4 ip) const noexcept {
    return std::hash<std::uint64_t>{}(ip.value * 0x9e3779b97f4a7c15ULL);
  }
};

template <>
struct std::hash<flannel::Cidr4> {
  std::size_t operator()(const flannel::Cidr4& net) const noexcept {
    return std::hash<std::uint64_t>{}((std::uint64_t{net.base.value} << 8 | net.bits) *
                                      0x9e3779b97f4a7c15ULL);
  }
};
