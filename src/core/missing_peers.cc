// SPDX-License-Identifier: Apache-2.0
#include "core/missing_peers.h"

#include <algorithm>

namespace flannel {
namespace {

template <typename Key>
void append(const std::set<std::pair<Key, SubnetKey>>& index, const Key& key,
            std::vector<SubnetKey>& found) {
  for (auto entry = index.lower_bound({key, SubnetKey{}});
       entry != index.end() && entry->first == key; ++entry) {
    found.push_back(entry->second);
  }
}

}  // namespace

std::vector<SubnetKey> MissingPeers::resembling(const LeaseAttributes& host) const {
  std::vector<SubnetKey> found;
  append(by_ip_, host.public_ip, found);
  if (host.node) append(by_node_, host.node->id, found);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

void MissingPeers::add(Lease lease, TimePoint since, TimePoint grace_end) {
  const SubnetKey subnet = lease.subnet;
  by_ip_.emplace(lease.attributes.public_ip, subnet);
  if (lease.attributes.node) by_node_.emplace(lease.attributes.node->id, subnet);
  unsuspected_.insert(subnet);
  by_grace_end_.emplace(grace_end, subnet);
  peers_.emplace(subnet, Peer{std::move(lease), since, grace_end});
}

void MissingPeers::suspect_all() {
  for (const SubnetKey& subnet : std::exchange(unsuspected_, {}))
    peers_.at(subnet).state = PeerState::suspected;
}

void MissingPeers::extend_grace(const SubnetKey& subnet, TimePoint until) {
  Peer& peer = peers_.at(subnet);
  by_grace_end_.erase({peer.grace_end, subnet});
  peer.grace_end = until;
  by_grace_end_.emplace(until, subnet);
}

void MissingPeers::report_again(const SubnetKey& subnet) {
  by_grace_end_.emplace(peers_.at(subnet).grace_end, subnet);
}

Lease MissingPeers::let_go(const SubnetKey& subnet) {
  Peer peer = std::move(peers_.extract(subnet).mapped());
  const LeaseAttributes& host = peer.lease.attributes;
  by_ip_.erase({host.public_ip, subnet});
  if (host.node) by_node_.erase({host.node->id, subnet});
  unsuspected_.erase(subnet);
  by_grace_end_.erase({peer.grace_end, subnet});
  return std::move(peer.lease);
}

std::vector<SubnetKey> MissingPeers::take_over_grace(TimePoint now) {
  std::vector<SubnetKey> ended;
  while (!by_grace_end_.empty() && by_grace_end_.begin()->first <= now)
    ended.push_back(by_grace_end_.extract(by_grace_end_.begin()).value().second);
  std::sort(ended.begin(), ended.end());
  return ended;
}

TimePoint MissingPeers::next_grace_end() const {
  return by_grace_end_.empty() ? kNever : by_grace_end_.begin()->first;
}

}  // namespace flannel
