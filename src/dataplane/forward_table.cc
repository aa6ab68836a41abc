// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward_table.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <functional>
#include <iterator>
#include <map>

namespace flannel {

std::size_t ForwardTable::home(const Level& level, std::uint32_t base) {
  // Subnet bases differ in few, regular bits; multiplying by the golden ratio spreads them.
  return static_cast<std::size_t>((base * 0x9e3779b97f4a7c15ULL) >> level.shift);
}

bool ForwardTable::insert(Level& level, const OverlayPeer& peer) {
  assert(peer.endpoint.port != 0);
  std::size_t at = home(level, peer.subnet.base.v4_value());
  while (level.slots[at].endpoint.port != 0) {
    if (level.slots[at].base == peer.subnet.base.v4_value()) {
      level.slots[at].endpoint = peer.endpoint;
      return false;
    }
    at = (at + 1) % level.slots.size();
  }
  level.slots[at] = {peer.subnet.base.v4_value(), peer.endpoint};
  return true;
}

ForwardTable::ForwardTable(OverlayHost host, const std::vector<OverlayPeer>& peers) : host_(host) {
  fill(peers);
  std::vector<OverlayPeer> outside;
  outside.reserve(peers.size());
  std::ranges::copy_if(peers, std::back_inserter(outside), [this](const OverlayPeer& peer) {
    return find(peer.endpoint.ip) == nullptr && !host_.subnet.contains(peer.endpoint.ip);
  });
  if (outside.size() != peers.size()) fill(outside);
  for (const OverlayPeer& peer : outside)
    endpoints_.push_back(peer.endpoint.ip);
  std::ranges::sort(endpoints_);
}

bool ForwardTable::is_endpoint(IpAddress address) const {
  return std::ranges::binary_search(endpoints_, address);
}

void ForwardTable::fill(const std::vector<OverlayPeer>& peers) {
  levels_.clear();
  size_ = 0;
  std::map<std::uint8_t, std::size_t, std::greater<>> counts;  // by prefix length, longest first
  for (const OverlayPeer& peer : peers)
    ++counts[peer.subnet.bits];
  for (const auto& [bits, count] : counts) {
    const std::size_t slots = std::bit_ceil(2 * count);
    levels_.push_back({.mask = IpPrefix{{}, bits}.v4_mask(),
                       .shift = 64 - std::countr_zero(slots),
                       .slots = std::vector<Slot>(slots)});
  }
  for (const OverlayPeer& peer : peers) {
    const auto level = std::distance(counts.begin(), counts.find(peer.subnet.bits));
    if (insert(levels_[static_cast<std::size_t>(level)], peer)) ++size_;
  }
}

const IpEndpoint* ForwardTable::find(IpAddress address) const {
  for (const Level& level : levels_) {
    const std::uint32_t base = address.v4_value() & level.mask;
    for (std::size_t at = home(level, base); level.slots[at].endpoint.port != 0;
         at = (at + 1) & (level.slots.size() - 1)) {
      if (level.slots[at].base == base) return &level.slots[at].endpoint;
    }
  }
  return nullptr;
}

}  // namespace flannel
