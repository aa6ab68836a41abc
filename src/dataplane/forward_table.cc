// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward_table.h"

#include <algorithm>
#include <iterator>

namespace flannel {

ForwardTable::ForwardTable(const OverlayHost& host, const std::vector<OverlayPeer>& peers)
    : host_(host) {
  fill(peers);
  std::vector<OverlayPeer> outside;
  outside.reserve(peers.size());
  std::ranges::copy_if(peers, std::back_inserter(outside), [this](const OverlayPeer& peer) {
    return find(peer.endpoint.ip) == nullptr && !host_.owns(peer.endpoint.ip);
  });
  if (outside.size() != peers.size()) fill(outside);
  for (const OverlayPeer& peer : outside)
    endpoints_.push_back(peer.endpoint.ip);
  std::ranges::sort(endpoints_);
}

void ForwardTable::fill(const std::vector<OverlayPeer>& peers) {
  subnets4_ = PrefixTable<Ip4Number>(peers);
  subnets6_ = PrefixTable<Ip6Number>(peers);
}

bool ForwardTable::is_endpoint(const IpAddress& address) const {
  return std::ranges::binary_search(endpoints_, address);
}

}  // namespace flannel
