// SPDX-License-Identifier: Apache-2.0
// Decides which of overlapping leases is used: the oldest stands, and a younger one waits until it
// overlaps no standing lease that is older. The result depends on the leases alone, not on the
// order of the changes.
//
// The cost of a change depends on the leases that it makes stand or wait, not on the number of
// other waiting leases:
//   * A lease waits with one of its subnets, that of the family in which an older lease is in its
//     way. Of several leases that wait with one subnet only the oldest, the first, tries to stand.
//     The others are behind it, or behind the standing lease of that subnet.
//   * The first is in the queue of one subnet, that of an older standing lease that it overlaps.
//     Queues are ordered by age. When the subnet no longer stands, the leases of its queue try one
//     after the other, until one of them takes the subnet.
// Only a wide lease that is older than many leases inside of it checks all of these when it tries.
//
// A standing lease may be hidden for a reason other than its subnet. Younger leases still cannot
// stand on its subnet.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/lease.h"
#include "core/lease_ranges.h"
#include "core/listed_lease.h"
#include "core/quarantine.h"

namespace flannel {

// All leases are of one feed: a list replaces all of them.
class StandingLeases {
 public:
  // The previous values of the leases that were added, removed or changed; nullopt: the lease did
  // not stand or was hidden.
  using Before = std::map<SubnetKey, std::optional<Shared<Lease>>>;

  // change() and list() put waiting leases into the quarantine, with the reason, and remove them
  // from it when they stand.

  // Sets the lease of this subnet to `now`; nullopt: removes it.
  Before change(const SubnetKey& subnet, std::optional<ListedLease> now, Quarantine& quarantine);
  // Replaces all leases by `all`, in any order. Returns the leases that stood before.
  ListedLeases list(std::vector<ListedLease> all, Quarantine& quarantine);

  // The standing leases that are not hidden. No lease overlaps another or a hidden one.
  const ListedLeases& shown() const { return shown_; }
  // All leases: those that stand, shown or hidden, and those that wait. In no order.
  std::vector<ListedLease> all() const;
  // The standing lease, shown or hidden; nullptr: it does not stand.
  const ListedLease* find(const SubnetKey& subnet) const;
  // Hides or shows a standing lease. A lease that begins to stand or changes is shown.
  void hide(const SubnetKey& subnet);
  void show(const SubnetKey& subnet);
  // The leases in shown() that overlap `lease` in a family, in order.
  std::vector<SubnetKey> overlapping(const SubnetKey& lease) const;
  // The number of leases checked so far: the cost of all changes.
  std::uint64_t looked_at() const { return looked_at_; }

 private:
  // Why a lease waits. The two subnets are of one family.
  struct Obstacle {
    IpPrefix own;                   // its subnet that the older lease overlaps
    std::optional<IpPrefix> queue;  // the subnet of that lease; nullopt: it is behind
  };
  struct Waiting {
    ListedLease lease;
    std::optional<Obstacle> obstacle{};  // nullopt: it is about to try
  };
  using Queues = std::set<std::pair<IpPrefix, LeaseAge>>;
  struct Turn {
    Quarantine& quarantine;
    Before before{};
    std::set<LeaseAge> to_try{};
  };

  // The place of a standing lease.
  struct Place {
    ListedLeases* part = nullptr;  // nullptr: does not stand
    ListedLeases::iterator lease;
  };

  bool replace_in_place(const SubnetKey& subnet, ListedLease& now, Turn& turn);
  void add(ListedLease lease, Turn& turn);
  void remove(const SubnetKey& subnet, Turn& turn);
  Place place_of(const SubnetKey& subnet);
  ListedLease stop_standing(const Place& place, Turn& turn);
  void wait(Waiting& waiting, const Obstacle& obstacle, Turn& turn);
  void leave(Waiting& waiting);
  void next_of_queue(const IpPrefix& subnet, Turn& turn) const;
  void next_behind(const IpPrefix& subnet, Turn& turn) const;
  void resolve_overlaps(Turn& turn);
  void try_to_stand(const SubnetKey& subnet, Turn& turn);
  void stand(const SubnetKey& subnet, Turn& turn);
  void say_reasons_again(const ListedLease& older, Turn& turn) const;
  const ListedLease* standing_for(const IpPrefix& subnet) const;
  const ListedLease* ahead_of(const IpPrefix& subnet) const;
  const ListedLease& in_the_way(const Obstacle& obstacle) const;
  std::optional<Obstacle> older_ahead(const ListedLease& lease) const;
  std::optional<Obstacle> find_obstacle(const ListedLease& lease);

  ListedLeases shown_;
  ListedLeases hidden_;
  LeaseRanges ranges_;  // of the leases in both
  std::map<SubnetKey, Waiting> waiting_;
  std::map<IpPrefix, SubnetKey> first_;  // those in queues, by their own subnet
  Queues behind_;                        // ordered by their own subnet
  Queues queues_;
  std::uint64_t looked_at_ = 0;
};

}  // namespace flannel
