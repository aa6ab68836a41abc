// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernel/netlink/netlink_message.h"
#include "net/address.h"

namespace flannel {

// Several requests in one buffer, sent by one sendmsg. The socket numbers them.
class NetlinkBatch {
 public:
  // Begins the next request. NLM_F_REQUEST is added; `header` is the fixed part that follows the
  // message header (rtmsg, ifinfomsg, ..).
  template <typename Header>
  void begin(std::uint16_t type, std::uint16_t flags, const Header& header) {
    static_assert(std::is_trivially_copyable_v<Header> && sizeof(Header) % 4 == 0);
    begin(type, flags);
    append(std::as_bytes(std::span(&header, 1)));
  }

  // The put functions append attributes to the request begun last.
  template <std::integral Number>
  void put(std::uint16_t attribute, Number host_order) {
    put_bytes(attribute, std::as_bytes(std::span(&host_order, 1)));
  }
  void put(std::uint16_t attribute, const IpAddress& ip);  // in network byte order
  void put(std::uint16_t attribute, const Mac& mac);
  // struct rtvia: the address family as a host-order number, then the address.
  void put_via(std::uint16_t attribute, std::uint16_t address_family, const IpAddress& ip);
  void put(std::uint16_t attribute, std::string_view text);  // with a terminating NUL
  void put_big_endian(std::uint16_t attribute, std::uint16_t number);
  void put_flag(std::uint16_t attribute) { put_bytes(attribute, {}); }
  void put_bytes(std::uint16_t attribute, NetlinkBytes payload);

  // Attributes put by `fill` become the contents of `attribute`.
  template <std::invocable Fill>
  void nest(std::uint16_t attribute, Fill fill) {
    const std::size_t start = open_nest(attribute);
    fill();
    close_nest(start);
  }

  std::size_t size() const { return starts_.size(); }
  bool empty() const { return starts_.empty(); }

  // The bytes of requests [first, last).
  NetlinkBytes bytes(std::size_t first, std::size_t last) const;
  std::uint16_t type(std::size_t request) const;
  // Sets the sequence number of one request and its sender, and adds `flags` to its flags. The
  // kernel knows the sender anyway, but notifications of IPsec name the one that the request does.
  void stamp(std::size_t request, std::uint32_t sequence, std::uint32_t port, std::uint16_t flags);

 private:
  void begin(std::uint16_t type, std::uint16_t flags);
  std::size_t open_nest(std::uint16_t attribute);
  void close_nest(std::size_t start);
  void append(NetlinkBytes bytes);  // padded to four, counted in the request's length

  std::vector<std::byte> bytes_;
  std::vector<std::size_t> starts_;  // offset of each request
};

}  // namespace flannel
