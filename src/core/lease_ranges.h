// SPDX-License-Identifier: Apache-2.0
// Finds the leases that overlap a subnet, among leases that do not overlap each other.
#pragma once

#include <absl/container/btree_map.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "core/lease.h"

namespace flannel {

// The entries that overlap `subnet`, of a map by subnets that do not overlap each other: those
// inside of it, or the one that contains it.
template <typename Map>
std::pair<typename Map::const_iterator, typename Map::const_iterator> entries_overlapping(
    const Map& entries, const IpPrefix& subnet) {
  auto first = entries.lower_bound(subnet);
  if (first != entries.begin()) {
    const auto wider = std::prev(first);
    if (wider->first.overlaps(subnet)) first = wider;
  }
  return {first, entries.upper_bound({subnet.last(), 255})};
}

// The subnets of leases, both families in one order. None of them overlaps another.
class LeaseRanges {
 public:
  using Entries = absl::btree_map<IpPrefix, SubnetKey>;

  void add(const SubnetKey& lease) {
    each(lease, [&](auto& net) { entries_.emplace(net, lease); });
  }
  void remove(const SubnetKey& lease) {
    each(lease, [&](auto& net) { entries_.erase(net); });
  }
  void clear() { entries_.clear(); }

  // The lease that has exactly this subnet; nullptr: none.
  const SubnetKey* find(const IpPrefix& subnet) const {
    const auto found = entries_.find(subnet);
    return found == entries_.end() ? nullptr : &found->second;
  }
  // The entries that overlap `subnet`: those inside of it, or the one that contains it.
  std::pair<Entries::const_iterator, Entries::const_iterator> overlapping(
      const IpPrefix& subnet) const {
    return entries_overlapping(entries_, subnet);
  }
  // The leases that overlap `lease` in a family, in order and each of them once.
  std::vector<SubnetKey> overlapping(const SubnetKey& lease) const {
    std::vector<SubnetKey> found;
    each(lease, [&](const IpPrefix& subnet) {
      const auto [first, last] = overlapping(subnet);
      for (auto entry = first; entry != last; ++entry)
        found.push_back(entry->second);
    });
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

 private:
  template <typename Work>
  static void each(const SubnetKey& lease, Work work) {
    for (const Family family : kFamilies) {
      if (const auto& subnet = lease.at(family)) work(*subnet);
    }
  }

  Entries entries_;
};

}  // namespace flannel
