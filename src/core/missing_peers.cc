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

void sort_once_each(std::vector<SubnetKey>& subnets) {
  std::sort(subnets.begin(), subnets.end());
  subnets.erase(std::unique(subnets.begin(), subnets.end()), subnets.end());
}

}  // namespace

std::vector<SubnetKey> MissingPeers::resembling(const LeaseAttributes& host) const {
  std::vector<SubnetKey> found;
  for (const IpAddress& ip : values_of(host.public_ips()))
    append(by_ip_, ip, found);
  if (host.node) append(by_node_, host.node->id, found);
  sort_once_each(found);
  return found;
}

std::vector<SubnetKey> MissingPeers::conflicting_with(const Lease& lease) const {
  std::vector<SubnetKey> found;
  if (!by_vtep_.empty()) {
    const AnnouncedVteps vteps = announced_vteps(lease.attributes);
    for (const Family family : kFamilies) {
      const auto& vtep = vteps.at(family);
      if (!vtep) continue;
      std::vector<SubnetKey> same;
      append(by_vtep_, vtep->vtep, same);
      std::erase_if(same, [&](const SubnetKey& subnet) {
        return peers_.at(subnet).vteps.at(family)->ip == vtep->ip;
      });
      found.insert(found.end(), same.begin(), same.end());
    }
  }
  const auto overlapping = ranges_.overlapping(lease.subnet);
  found.insert(found.end(), overlapping.begin(), overlapping.end());
  sort_once_each(found);
  return found;
}

void MissingPeers::add(const Shared<Lease>& lease, TimePoint since, TimePoint grace_end) {
  const SubnetKey& subnet = lease->subnet;
  const AnnouncedVteps vteps = announced_vteps(lease->attributes);
  for (const auto& vtep : {vteps.v4, vteps.v6}) {
    if (vtep) by_vtep_.emplace(vtep->vtep, subnet);
  }
  for (const IpAddress& ip : values_of(lease->attributes.public_ips()))
    by_ip_.emplace(ip, subnet);
  ranges_.add(subnet);
  if (lease->attributes.node) by_node_.emplace(lease->attributes.node->id, subnet);
  unsuspected_.insert(subnet);
  by_grace_end_.emplace(grace_end, subnet);
  peers_.emplace(subnet, Peer{lease, vteps, since, grace_end});
}

void MissingPeers::suspect_all() {
  for (const SubnetKey& subnet : std::exchange(unsuspected_, {}))
    peers_.at(subnet).is_suspected = true;
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

MissingPeers::Peer MissingPeers::let_go(const SubnetKey& subnet) {
  Peer peer = std::move(peers_.extract(subnet).mapped());
  const LeaseAttributes& host = peer.lease->attributes;
  for (const IpAddress& ip : values_of(host.public_ips()))
    by_ip_.erase({ip, subnet});
  ranges_.remove(subnet);
  if (host.node) by_node_.erase({host.node->id, subnet});
  unsuspected_.erase(subnet);
  for (const auto& vtep : {peer.vteps.v4, peer.vteps.v6}) {
    if (vtep) by_vtep_.erase({vtep->vtep, subnet});
  }
  by_grace_end_.erase({peer.grace_end, subnet});
  return peer;
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
