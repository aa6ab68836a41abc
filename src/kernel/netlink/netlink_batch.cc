// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/netlink_batch.h"

#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <limits>

namespace flannel {
namespace {

template <typename T>
void store(std::span<std::byte> at, const T& value) {
  assert(at.size() >= sizeof value);
  std::memcpy(at.data(), &value, sizeof value);
}

template <typename T>
T load(std::span<const std::byte> at) {
  T value;
  assert(at.size() >= sizeof value);
  std::memcpy(&value, at.data(), sizeof value);
  return value;
}

}  // namespace

void NetlinkBatch::begin(std::uint16_t type, std::uint16_t flags) {
  starts_.push_back(bytes_.size());
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
  append(std::as_bytes(std::span(&header, 1)));
}

void NetlinkBatch::append(NetlinkBytes bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  bytes_.resize(netlink_aligned(bytes_.size()));
  const std::size_t length = bytes_.size() - starts_.back();
  store(std::span(bytes_).subspan(starts_.back()), static_cast<std::uint32_t>(length));
}

void NetlinkBatch::put_bytes(std::uint16_t attribute, NetlinkBytes payload) {
  assert(payload.size() + sizeof(nlattr) <= std::numeric_limits<std::uint16_t>::max());
  const nlattr header{static_cast<std::uint16_t>(sizeof(nlattr) + payload.size()), attribute};
  append(std::as_bytes(std::span(&header, 1)));
  append(payload);
}

void NetlinkBatch::put(std::uint16_t attribute, const IpAddress& ip) {
  put_bytes(attribute, std::as_bytes(ip.octets()));
}

void NetlinkBatch::put_via(std::uint16_t attribute, std::uint16_t address_family,
                           const IpAddress& ip) {
  std::vector<std::byte> value(sizeof address_family + ip.octets().size());
  store(value, address_family);
  std::ranges::copy(std::as_bytes(ip.octets()), value.begin() + sizeof address_family);
  put_bytes(attribute, value);
}

void NetlinkBatch::put(std::uint16_t attribute, const Mac& mac) {
  put_bytes(attribute, std::as_bytes(std::span(mac.bytes)));
}

void NetlinkBatch::put(std::uint16_t attribute, std::string_view text) {
  std::vector<std::byte> terminated(text.size() + 1);
  std::ranges::copy(std::as_bytes(std::span(text)), terminated.begin());
  put_bytes(attribute, terminated);
}

void NetlinkBatch::put_big_endian(std::uint16_t attribute, std::uint16_t number) {
  const std::array<std::uint8_t, 2> octets{static_cast<std::uint8_t>(number >> 8),
                                           static_cast<std::uint8_t>(number)};
  put_bytes(attribute, std::as_bytes(std::span(octets)));
}

std::size_t NetlinkBatch::open_nest(std::uint16_t attribute) {
  const std::size_t start = bytes_.size();
  put_bytes(attribute | NLA_F_NESTED, {});
  return start;
}

void NetlinkBatch::close_nest(std::size_t start) {
  store(std::span(bytes_).subspan(start), static_cast<std::uint16_t>(bytes_.size() - start));
}

NetlinkBytes NetlinkBatch::bytes(std::size_t first, std::size_t last) const {
  assert(first < last && last <= starts_.size());
  const std::size_t end = last == starts_.size() ? bytes_.size() : starts_[last];
  return NetlinkBytes(bytes_).subspan(starts_[first], end - starts_[first]);
}

std::uint16_t NetlinkBatch::type(std::size_t request) const {
  return load<std::uint16_t>(std::span(bytes_).subspan(starts_[request] + 4));
}

void NetlinkBatch::stamp(std::size_t request, std::uint32_t sequence, std::uint32_t port,
                         std::uint16_t flags) {
  const auto header = std::span(bytes_).subspan(starts_[request]);
  const auto old = load<std::uint16_t>(header.subspan(offsetof(nlmsghdr, nlmsg_flags)));
  store(header.subspan(offsetof(nlmsghdr, nlmsg_flags)), static_cast<std::uint16_t>(old | flags));
  store(header.subspan(offsetof(nlmsghdr, nlmsg_seq)), sequence);
  store(header.subspan(offsetof(nlmsghdr, nlmsg_pid)), port);
}

}  // namespace flannel
