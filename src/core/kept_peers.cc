// SPDX-License-Identifier: Apache-2.0
#include "core/kept_peers.h"

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

std::vector<SubnetKey> KeptPeers::resembling(const LeaseAttributes& host) const {
  std::vector<SubnetKey> found;
  append(by_ip_, host.public_ip, found);
  if (host.node) append(by_node_, host.node->id, found);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

void KeptPeers::keep(Lease lease, TimePoint since, TimePoint lingers_until) {
  const SubnetKey subnet = lease.subnet;
  by_ip_.emplace(lease.attributes.public_ip, subnet);
  if (lease.attributes.node) by_node_.emplace(lease.attributes.node->id, subnet);
  undoubted_.insert(subnet);
  lingering_.emplace(lingers_until, subnet);
  peers_.emplace(subnet, Peer{std::move(lease), since, lingers_until});
}

void KeptPeers::doubt_all() {
  for (const SubnetKey& subnet : std::exchange(undoubted_, {}))
    peers_.at(subnet).doubted = true;
}

void KeptPeers::linger(const SubnetKey& subnet, TimePoint until) {
  Peer& peer = peers_.at(subnet);
  lingering_.erase({peer.lingers_until, subnet});
  peer.lingers_until = until;
  lingering_.emplace(until, subnet);
}

void KeptPeers::take_again(const SubnetKey& subnet) {
  lingering_.emplace(peers_.at(subnet).lingers_until, subnet);
}

Lease KeptPeers::let_go(const SubnetKey& subnet) {
  Peer peer = std::move(peers_.extract(subnet).mapped());
  const LeaseAttributes& host = peer.lease.attributes;
  by_ip_.erase({host.public_ip, subnet});
  if (host.node) by_node_.erase({host.node->id, subnet});
  undoubted_.erase(subnet);
  lingering_.erase({peer.lingers_until, subnet});
  return std::move(peer.lease);
}

std::vector<SubnetKey> KeptPeers::take_ended(TimePoint now) {
  std::vector<SubnetKey> ended;
  while (!lingering_.empty() && lingering_.begin()->first <= now)
    ended.push_back(lingering_.extract(lingering_.begin()).value().second);
  std::sort(ended.begin(), ended.end());
  return ended;
}

TimePoint KeptPeers::first_end() const {
  return lingering_.empty() ? kNever : lingering_.begin()->first;
}

}  // namespace flannel
