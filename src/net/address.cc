// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/parse.h"
#include "base/printable.h"

namespace flannel {
namespace {

Failure bad(std::string_view what, std::string_view text) {
  return fail(ErrorKind::invalid, fmt::format("\"{}\" is not {}", shortened(text), what));
}

std::optional<std::pair<std::string_view, std::string_view>> cut(std::string_view text, char at) {
  const auto position = text.find(at);
  if (position == std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, position), text.substr(position + 1)};
}

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

// The twelve digits of a MAC written in groups of `group` digits between `separator`s.
std::optional<std::string> mac_digits(std::string_view text, char separator, std::size_t group) {
  std::string digits;
  for (const std::string_view part : split(text, separator)) {
    if (part.size() != group) return std::nullopt;
    digits += part;
  }
  if (digits.size() != 12) return std::nullopt;
  return digits;
}

}  // namespace

Result<Ip4> Ip4::parse(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return bad("an IPv4 address", text);
  Ip4 ip;
  for (const std::string_view part : parts) {
    const auto octet = parse_decimal<std::uint8_t>(part);
    if (!octet) return bad("an IPv4 address", text);
    ip.value = ip.value << 8 | *octet;
  }
  return ip;
}

bool Ip4::is_global_unicast() const {
  return !is_unspecified() && value != 0xffffffff && !is_loopback() && !is_multicast() &&
         !is_link_local();
}

Result<Ip6> Ip6::parse(std::string_view text) {
  Ip6 ip;
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos ||
      ::inet_pton(AF_INET6, terminated.c_str(), ip.bytes.data()) != 1) {
    return bad("an IPv6 address", text);
  }
  return ip;
}

Cidr4 Cidr4::of(Ip4 address, std::uint8_t bits) {
  Cidr4 net{address, bits};
  net.base.value &= net.mask();
  return net;
}

Result<Cidr4> Cidr4::parse(std::string_view text) {
  const auto halves = cut(text, '/');
  if (!halves) return bad("an IPv4 network like 10.5.0.0/16", text);
  const auto ip = Ip4::parse(halves->first);
  const auto bits = parse_decimal<std::uint8_t>(halves->second);
  if (!ip || !bits || *bits > 32) return bad("an IPv4 network like 10.5.0.0/16", text);
  return of(*ip, *bits);
}

Cidr6 Cidr6::of(Ip6 address, std::uint8_t bits) {
  for (std::size_t i = 0; i < address.bytes.size(); ++i) {
    const int kept = std::clamp(int{bits} - static_cast<int>(8 * i), 0, 8);
    address.bytes[i] &= static_cast<std::uint8_t>(0xff00 >> kept);
  }
  return {address, bits};
}

Result<Cidr6> Cidr6::parse(std::string_view text) {
  const auto halves = cut(text, '/');
  if (!halves) return bad("an IPv6 network like fd00:12::/56", text);
  const auto ip = Ip6::parse(halves->first);
  const auto bits = parse_decimal<std::uint8_t>(halves->second);
  if (!ip || !bits || *bits > 128) return bad("an IPv6 network like fd00:12::/56", text);
  return of(*ip, *bits);
}

bool Cidr6::contains(const Ip6& address) const {
  return of(address, bits).base == base;
}

Result<Mac> Mac::parse(std::string_view text) {
  auto digits = mac_digits(text, ':', 2);
  if (!digits) digits = mac_digits(text, '-', 2);
  if (!digits) digits = mac_digits(text, '.', 4);
  if (!digits) return bad("a MAC address", text);
  Mac mac;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    const auto high = hex_digit((*digits)[2 * i]);
    const auto low = hex_digit((*digits)[2 * i + 1]);
    if (!high || !low) return bad("a MAC address", text);
    mac.bytes[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return mac;
}

std::string to_string(Ip4 ip) {
  return fmt::format("{}.{}.{}.{}", ip.value >> 24, ip.value >> 16 & 0xff, ip.value >> 8 & 0xff,
                     ip.value & 0xff);
}

std::string to_string(const Ip6& ip) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, ip.bytes.data(), text, sizeof text);
  return text;
}

std::string to_string(const Cidr4& net) {
  return fmt::format("{}/{}", to_string(net.base), net.bits);
}

std::string to_string(const Cidr6& net) {
  return fmt::format("{}/{}", to_string(net.base), net.bits);
}

std::string to_string(const Mac& mac) {
  return fmt::format("{:02x}", fmt::join(mac.bytes, ":"));
}

std::string to_string(const Endpoint4& endpoint) {
  return fmt::format("{}:{}", to_string(endpoint.ip), endpoint.port);
}

}  // namespace flannel
