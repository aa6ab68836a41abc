// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/btree_map.h>

#include <compare>
#include <limits>

#include "base/shared.h"
#include "core/lease.h"
#include "core/store_feed.h"

namespace flannel {

// The age of a lease: older leases are before younger ones. Of leases with the same revision, the
// one with the smaller text of its key is the older one. Only ages from one feed can be compared.
struct LeaseAge {
  Revision created = std::numeric_limits<Revision>::min();  // by default before all leases
  SubnetKey subnet{};

  bool operator==(const LeaseAge&) const = default;
  std::strong_ordering operator<=>(const LeaseAge& other) const;
};

// A usable lease, and what a table keeps of its record. A host has one for each peer, so the lease
// is shared with all who hold it, and texts that follow from it are not kept.
struct ListedLease {
  Shared<Lease> lease;
  Revision created = 0;   // the revision at which the record was created
  Revision revision = 0;  // the revision of the record's last change
  bool expires = false;   // false: a reservation

  LeaseAge age() const { return {created, lease->subnet}; }
  std::string key() const { return encode_subnet_key(lease->subnet); }
  bool operator==(const ListedLease&) const = default;
};

// A change of the map moves its values: no pointer or iterator to one outlives it.
using ListedLeases = absl::btree_map<SubnetKey, ListedLease>;

}  // namespace flannel
