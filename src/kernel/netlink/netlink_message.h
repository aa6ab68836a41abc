// SPDX-License-Identifier: Apache-2.0
// Readers of netlink messages that never leave their span. Fixed headers are copied out of the
// buffer, never cast onto it.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "net/address.h"

namespace flannel {

using NetlinkBytes = std::span<const std::byte>;

// `size` rounded up to the alignment of messages and attributes.
constexpr std::size_t netlink_aligned(std::size_t size) {
  return NLMSG_ALIGN(size);
}

struct NetlinkMessage {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  std::uint32_t port = 0;
  NetlinkBytes payload;
  NetlinkBytes whole;  // with the header
};

// The messages of one datagram or of a whole dump.
class NetlinkReader {
 public:
  explicit NetlinkReader(NetlinkBytes bytes) : rest_(bytes) {}
  // nullopt at the end, or if a length does not fit: the remaining bytes are then discarded.
  std::optional<NetlinkMessage> next();

 private:
  NetlinkBytes rest_;
};

// The content of NLMSG_ERROR and NLMSG_DONE. `reason` points into the message.
struct NetlinkAck {
  int code = 0;             // positive errno, 0: done
  std::string_view reason;  // the kernel's text, often empty
};
NetlinkAck decode_ack(const NetlinkMessage& message);

// Removes a fixed header from the front of `bytes`; nullopt if they are too short.
template <typename Header>
std::optional<Header> take_header(NetlinkBytes& bytes) {
  static_assert(std::is_trivially_copyable_v<Header>);
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes = bytes.subspan(sizeof header);
  return header;
}

struct NetlinkAttribute {
  std::size_t type = 0;
  NetlinkBytes value;
};

// The attributes of a message or of an attribute that contains others. The results point into
// `bytes`.
class NetlinkAttributeReader {
 public:
  explicit NetlinkAttributeReader(NetlinkBytes bytes) : rest_(bytes) {}
  // nullopt at the end, or at a damaged attribute: the remaining bytes are then discarded.
  std::optional<NetlinkAttribute> next();

 private:
  NetlinkBytes rest_;
};

// Finds attributes by type. A damaged attribute ends the list; the last of equal types is used;
// types above `Last` are skipped. The results point into `bytes`.
void index_attributes(NetlinkBytes bytes, std::span<std::optional<NetlinkBytes>> by_type);

// nullopt if the value is not exactly as long as an address of `family`.
std::optional<IpAddress> decode_ip(NetlinkBytes bytes, Family family);

template <std::size_t Last>
class NetlinkAttributes {
 public:
  explicit NetlinkAttributes(NetlinkBytes bytes) { index_attributes(bytes, by_type_); }

  bool has(std::size_t type) const { return by_type_.at(type).has_value(); }
  NetlinkBytes at(std::size_t type) const { return by_type_.at(type).value_or(NetlinkBytes{}); }

  // nullopt if the attribute is missing or shorter than the value.
  template <std::integral Number>
  std::optional<Number> number(std::size_t type) const {
    NetlinkBytes bytes = at(type);
    return take_header<Number>(bytes);
  }
  std::optional<std::uint16_t> big_endian(std::size_t type) const {
    const auto bytes = number_bytes<2>(type);
    if (!bytes) return std::nullopt;
    return static_cast<std::uint16_t>((*bytes)[0] << 8 | (*bytes)[1]);
  }
  // nullopt also if the value is not exactly as long as an address of `family`.
  std::optional<IpAddress> ip(std::size_t type, Family family) const {
    return decode_ip(at(type), family);
  }
  std::optional<Mac> mac(std::size_t type) const {
    const auto bytes = number_bytes<6>(type);
    if (!bytes || at(type).size() != 6) return std::nullopt;
    return Mac{*bytes};
  }
  // Up to the first NUL, if there is one.
  std::string_view text(std::size_t type) const {
    const NetlinkBytes bytes = at(type);
    const std::string_view whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return whole.substr(0, whole.find('\0'));
  }

 private:
  template <std::size_t Size>
  std::optional<std::array<std::uint8_t, Size>> number_bytes(std::size_t type) const {
    NetlinkBytes bytes = at(type);
    return take_header<std::array<std::uint8_t, Size>>(bytes);
  }

  std::array<std::optional<NetlinkBytes>, Last + 1> by_type_{};
};

}  // namespace flannel
