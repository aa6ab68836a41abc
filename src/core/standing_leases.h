// SPDX-License-Identifier: Apache-2.0
// Decides which of overlapping leases is used: the oldest stands, and a younger one waits until it
// overlaps no standing lease that is older. The result depends on the leases alone, not on the
// order of the changes.
//
// The cost of a change depends on the leases that it makes stand or wait, not on the number of
// other waiting leases:
//   * of several leases for one IPv4 subnet only the oldest tries to stand; the others are behind
//   it
//     until it is gone;
//   * every other waiting lease is in the queue of one subnet, that of an older standing lease that
//     it overlaps. Queues are ordered by age. When the subnet no longer stands, the leases of its
//     queue try one after the other, until one of them takes the subnet.
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
#include <tuple>
#include <utility>
#include <vector>

#include "core/lease.h"
#include "core/quarantine.h"
#include "core/subnet_picking.h"

namespace flannel {

class StandingLeases {
 public:
  using Leases = std::map<SubnetKey, DecodedRecord>;
  // The previous values of the leases that were added, removed or changed; nullopt: the lease did
  // not stand or was hidden.
  using Before = std::map<SubnetKey, std::optional<Lease>>;

  // change() and list() put waiting leases into the quarantine, with the reason, and remove them
  // from it when they stand.

  // Sets the lease of this subnet to `now`; nullopt: removes it.
  Before change(const SubnetKey& subnet, std::optional<DecodedRecord> now, Quarantine& quarantine);
  // Replaces all leases. Returns the leases that stood before.
  Leases list(std::vector<DecodedRecord> all, Quarantine& quarantine);

  // The standing leases that are not hidden. No lease overlaps another or a hidden one.
  const Leases& shown() const { return shown_; }
  // The standing lease, shown or hidden; nullptr: it does not stand.
  const DecodedRecord* find(const SubnetKey& subnet) const;
  // Hides or shows a standing lease. A lease that begins to stand or changes is shown.
  void hide(const SubnetKey& subnet);
  void show(const SubnetKey& subnet);
  // The number of leases checked so far: the cost of all changes.
  std::uint64_t looked_at() const { return looked_at_; }

 private:
  using Age = std::pair<Revision, std::string>;  // revision of creation, and key
  struct Waiting {
    DecodedRecord lease;
    bool behind = false;              // another lease is the oldest of its subnet
    std::optional<IpPrefix> queue{};  // the subnet whose queue it is in; nullopt: none
  };
  using Queues = std::set<std::tuple<IpPrefix, Age, SubnetKey>>;
  struct Turn {
    Quarantine& quarantine;
    Before before{};
    std::set<std::pair<Age, SubnetKey>> to_try{};
  };

  // The place of a standing lease.
  struct Place {
    Leases* part = nullptr;  // nullptr: does not stand
    Leases::iterator lease;
  };

  // All leases are of one feed: a list replaces all of them.
  static Age age(const DecodedRecord& lease) { return {lease.record.created, lease.record.key}; }
  bool replace_in_place(const SubnetKey& subnet, DecodedRecord& now, Turn& turn);
  void add(DecodedRecord lease, Turn& turn);
  void remove(const SubnetKey& subnet, Turn& turn);
  Place place_of(const SubnetKey& subnet);
  DecodedRecord stop_standing(const Place& place, Turn& turn);
  void wait(DecodedRecord lease, bool behind, const DecodedRecord* older, Turn& turn);
  void leave_queue(const SubnetKey& subnet, Waiting& waiting);
  void next_of_queue(const IpPrefix& subnet, Turn& turn) const;
  void next_of_subnet(const IpPrefix& subnet, Turn& turn);
  void resolve_overlaps(Turn& turn);
  void try_to_stand(const SubnetKey& subnet, Turn& turn);
  void stand(const SubnetKey& subnet, Turn& turn);
  void say_reasons_again(const DecodedRecord& older, Turn& turn) const;
  const DecodedRecord* standing_for(const IpPrefix& subnet) const;
  const DecodedRecord* oldest_of(const IpPrefix& subnet) const;
  const DecodedRecord* older_in_the_way(const DecodedRecord& lease);

  Leases shown_;
  Leases hidden_;
  std::map<SubnetKey, Waiting> waiting_;
  std::map<IpPrefix, SubnetKey> first_;  // the waiting lease of a subnet that is not behind
  Queues behind_;                        // ordered by their own subnet
  Queues queues_;
  std::uint64_t looked_at_ = 0;
};

}  // namespace flannel
