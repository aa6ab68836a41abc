// SPDX-License-Identifier: Apache-2.0
// Finds overlapping entries in maps that are ordered by SubnetKey and whose entries do not overlap
// each other.
#pragma once

#include <utility>

#include "core/lease.h"

namespace flannel {

// The entries that begin inside of `range`: each lies in `range`, or contains it and has the same
// base.
template <typename Map>
auto entries_inside(Map& disjoint, const IpPrefix& range) {
  return std::pair{disjoint.lower_bound({range, std::nullopt}),
                   disjoint.upper_bound({{range.last(), 33}, std::nullopt})};
}

// The entries that overlap `subnet`: those inside of it, or the one that contains it.
template <typename Map>
auto entries_overlapping(Map& disjoint, const IpPrefix& subnet) {
  auto [first, last] = entries_inside(disjoint, subnet);
  if (first != disjoint.begin()) {
    const auto wider = std::prev(first);
    if (wider->first.v4.overlaps(subnet)) first = wider;
  }
  return std::pair{first, last};
}

template <typename Map>
bool any_overlaps(Map& disjoint, const IpPrefix& subnet) {
  const auto [first, last] = entries_overlapping(disjoint, subnet);
  return first != last;
}

}  // namespace flannel
