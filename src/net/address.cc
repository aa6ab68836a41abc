// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

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

__extension__ using Number = unsigned __int128;

// The number of an IPv6 address.
Number number_of(const IpAddress& ip) {
  const auto [high, low] = ip.halves();
  return Number{high} << 64 | low;
}

IpAddress from_number(Number number) {
  IpAddress ip = IpAddress::unspecified(Family::v6);
  for (std::size_t i = 16; i-- > 0; number >>= 8)
    ip.bytes[i] = static_cast<std::uint8_t>(number);
  return ip;
}

// Fibonacci hashing: spreads neighbouring numbers.
std::uint64_t mixed(std::uint64_t number) {
  number *= 0x9e3779b97f4a7c15ULL;
  return number ^ number >> 32;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  return parse(text, text.find(':') == std::string_view::npos ? Family::v4 : Family::v6);
}

Result<IpAddress> IpAddress::parse(std::string_view text, Family family) {
  return family == Family::v4 ? parse_v4(text) : parse_v6(text);
}

Result<IpAddress> IpAddress::parse_v4(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return bad("an IPv4 address", text);
  IpAddress ip;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto octet = parse_decimal<std::uint8_t>(parts[i]);
    if (!octet) return bad("an IPv4 address", text);
    ip.bytes[i] = *octet;
  }
  return ip;
}

Result<IpAddress> IpAddress::parse_v6(std::string_view text) {
  IpAddress ip = unspecified(Family::v6);
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos ||
      ::inet_pton(AF_INET6, terminated.c_str(), ip.bytes.data()) != 1) {
    return bad("an IPv6 address", text);
  }
  return ip;
}

std::optional<IpAddress> IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  IpAddress ip = unspecified(bytes.size() == 4 ? Family::v4 : Family::v6);
  std::ranges::copy(bytes, ip.bytes.begin());
  return ip;
}

bool IpAddress::is_unspecified() const {
  return bytes == std::array<std::uint8_t, 16>{};
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes[0] == 127;
  return number_of(*this) == 1;
}

bool IpAddress::is_multicast() const {
  return is_v4() ? bytes[0] >> 4 == 0xe : bytes[0] == 0xff;
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes[0] == 169 && bytes[1] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool IpAddress::is_unique_local() const {
  return is_v6() && (bytes[0] & 0xfe) == 0xfc;
}

bool IpAddress::is_global_unicast() const {
  const bool broadcast = is_v4() && v4_value() == 0xffffffff;
  return !is_unspecified() && !broadcast && !is_loopback() && !is_multicast() && !is_link_local();
}

IpAddress IpAddress::plus(std::uint64_t count, unsigned shift) const {
  if (is_v4()) return v4(static_cast<std::uint32_t>(v4_value() + (count << shift)));
  return from_number(number_of(*this) + (Number{count} << shift));
}

std::uint64_t IpAddress::steps_after(const IpAddress& start, unsigned shift) const {
  if (is_v4()) return std::uint64_t{v4_value() - start.v4_value()} >> shift;
  const Number steps = (number_of(*this) - number_of(start)) >> shift;
  return steps > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(steps);
}

IpPrefix IpPrefix::of(const IpAddress& address, std::uint8_t bits) {
  IpPrefix net{address, bits};
  for (std::size_t i = 0; i < net.base.octets().size(); ++i) {
    const int kept = std::clamp(int{bits} - static_cast<int>(8 * i), 0, 8);
    net.base.bytes[i] &= static_cast<std::uint8_t>(0xff00 >> kept);
  }
  return net;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  return parse(text, text.find(':') == std::string_view::npos ? Family::v4 : Family::v6);
}

Result<IpPrefix> IpPrefix::parse(std::string_view text, Family family) {
  const auto wrong = [&] {
    return bad(family == Family::v4 ? "an IPv4 network like 10.5.0.0/16"
                                    : "an IPv6 network like fd00:12::/56",
               text);
  };
  const auto halves = cut(text, '/');
  if (!halves) return wrong();
  const auto ip = IpAddress::parse(halves->first, family);
  const auto bits = parse_decimal<std::uint8_t>(halves->second);
  if (!ip || !bits || *bits > address_bits(family)) return wrong();
  return of(*ip, *bits);
}

Result<IpPrefix> IpPrefix::parse_v4(std::string_view text) {
  return parse(text, Family::v4);
}

Result<IpPrefix> IpPrefix::parse_v6(std::string_view text) {
  return parse(text, Family::v6);
}

IpAddress IpPrefix::last() const {
  IpAddress ip = base;
  for (std::size_t i = 0; i < ip.octets().size(); ++i) {
    const int kept = std::clamp(int{bits} - static_cast<int>(8 * i), 0, 8);
    ip.bytes[i] |= static_cast<std::uint8_t>(0xff >> kept);
  }
  return ip;
}

bool IpPrefix::contains(const IpAddress& address) const {
  if (address.family != base.family) return false;
  if (base.is_v4()) return (address.v4_value() & v4_mask()) == base.v4_value();
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

std::string_view to_string(Family family) {
  return family == Family::v4 ? "IPv4" : "IPv6";
}

std::string to_string(const IpAddress& ip) {
  if (ip.is_v4()) return fmt::format("{}", fmt::join(ip.octets(), "."));
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, ip.bytes.data(), text, sizeof text);
  return text;
}

std::string to_string(const IpPrefix& net) {
  return fmt::format("{}/{}", to_string(net.base), net.bits);
}

std::string to_string(const Mac& mac) {
  return fmt::format("{:02x}", fmt::join(mac.bytes, ":"));
}

std::string to_string(const IpEndpoint& endpoint) {
  const std::string ip = to_string(endpoint.ip);
  return fmt::format("{}:{}", endpoint.ip.is_v4() ? ip : "[" + ip + "]", endpoint.port);
}

}  // namespace flannel

std::size_t std::hash<flannel::IpAddress>::operator()(const flannel::IpAddress& ip) const noexcept {
  const auto [high, low] = ip.halves();
  return flannel::mixed(high ^ flannel::mixed(low + static_cast<std::uint64_t>(ip.family)));
}

std::size_t std::hash<flannel::IpPrefix>::operator()(const flannel::IpPrefix& net) const noexcept {
  return flannel::mixed(std::hash<flannel::IpAddress>{}(net.base) + net.bits);
}
