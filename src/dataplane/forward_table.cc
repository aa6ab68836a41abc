// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward_table.h"

#include <algorithm>
#include <iterator>

namespace flannel {

ForwardTable::ForwardTable(const OverlayHost& host, const std::vector<OverlayPeer>& peers,
                           const ForwardTable* before)
    : host_(host) {
  fill(peers, before);
  std::vector<OverlayPeer> outside;
  outside.reserve(peers.size());
  std::ranges::copy_if(peers, std::back_inserter(outside), [this](const OverlayPeer& peer) {
    return find(peer.endpoint.ip) == nullptr && !host_.owns(peer.endpoint.ip);
  });
  if (outside.size() != peers.size()) fill(outside, before);
  for (const OverlayPeer& peer : outside)
    endpoints_.push_back(peer.endpoint.ip);
  std::ranges::sort(endpoints_);
}

void ForwardTable::fill(const std::vector<OverlayPeer>& peers, const ForwardTable* before) {
  counted_.clear();
  for (const OverlayPeer& peer : peers)
    counted_[peer.subnet].endpoint = peer.endpoint;
  bytes_.clear();
  bytes_.reserve(counted_.size());
  for (auto& [subnet, now] : counted_) {
    now.number = static_cast<std::uint32_t>(bytes_.size());
    bytes_.push_back(before == nullptr ? nullptr : before->bytes_at(subnet, now.endpoint));
    if (!bytes_.back()) bytes_.back() = std::make_shared<PeerBytes>();
  }
  std::vector<std::uint32_t> numbers;
  numbers.reserve(peers.size());
  for (const OverlayPeer& peer : peers)
    numbers.push_back(counted_.at(peer.subnet).number);
  subnets4_ = PrefixTable<Ip4Number>(peers, numbers);
  subnets6_ = PrefixTable<Ip6Number>(peers, numbers);
}

// Null: the table does not have this subnet with this endpoint.
std::shared_ptr<PeerBytes> ForwardTable::bytes_at(const IpPrefix& subnet,
                                                  const IpEndpoint& endpoint) const {
  const auto found = counted_.find(subnet);
  if (found == counted_.end() || found->second.endpoint != endpoint) return nullptr;
  return bytes_[found->second.number];
}

const PeerBytes* ForwardTable::bytes_of(const IpPrefix& subnet) const {
  const auto found = counted_.find(subnet);
  return found == counted_.end() ? nullptr : bytes_[found->second.number].get();
}

bool ForwardTable::is_endpoint(const IpAddress& address) const {
  return std::ranges::binary_search(endpoints_, address);
}

}  // namespace flannel
