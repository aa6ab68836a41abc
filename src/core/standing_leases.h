// SPDX-License-Identifier: Apache-2.0
// Of leases that overlap the oldest stands; the others wait until nothing older is in their way.
// Which ones stand depends on the leases alone, not on the order in which they were heard of.
//
// A change costs work for what it makes stand or wait, whatever number of others wait as well:
//   * of several leases for one IPv4 subnet the oldest alone tries to stand, the others are behind
//     it until it is gone;
//   * who waits is in the queue of one subnet that stands in its way, by age. When that subnet is
//     given up they try one after the other, until it is taken again.
// Only a wide lease that is older than many inside of it looks at all of these when it tries.
//
// A lease that stands may be hidden, for another reason than its subnet: it keeps its subnet from
// younger ones all the same.
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
  // What the leases were that came, went or changed; nothing: it did not stand, or was hidden.
  using Before = std::map<SubnetKey, std::optional<Lease>>;

  // Who waits is put into the quarantine, with the reason, and taken out of it when it stands.

  // The lease of this subnet is `now`, or gone.
  Before change(const SubnetKey& subnet, std::optional<DecodedRecord> now, Quarantine& quarantine);
  // These are all; which ones stood before.
  Leases list(std::vector<DecodedRecord> all, Quarantine& quarantine);

  // None overlaps another, or one that is hidden.
  const Leases& shown() const { return shown_; }
  // Shown or hidden; null: it does not stand.
  const DecodedRecord* find(const SubnetKey& subnet) const;
  // One that stands. A lease that comes to stand, or changes, is shown.
  void hide(const SubnetKey& subnet);
  void show(const SubnetKey& subnet);
  // Leases that were looked at so far: what the changes have cost.
  std::uint64_t looked_at() const { return looked_at_; }

 private:
  using Age = std::pair<Revision, std::string>;  // when it was created, and its key
  struct Waiting {
    DecodedRecord lease;
    bool behind = false;           // the oldest of its subnet is another
    std::optional<Cidr4> queue{};  // whose queue it is in; nothing: in none
  };
  using Queues = std::set<std::tuple<Cidr4, Age, SubnetKey>>;
  struct Turn {
    Quarantine& quarantine;
    Before before{};
    std::set<std::pair<Age, SubnetKey>> to_try{};
  };

  // Where a lease stands.
  struct Place {
    Leases* part = nullptr;  // null: nowhere
    Leases::iterator lease;
  };

  static Age age(const DecodedRecord& lease) { return {lease.record.created, lease.record.key}; }
  bool replace_in_place(const SubnetKey& subnet, DecodedRecord& now, Turn& turn);
  void add(DecodedRecord lease, Turn& turn);
  void remove(const SubnetKey& subnet, Turn& turn);
  Place place_of(const SubnetKey& subnet);
  DecodedRecord stop_standing(const Place& place, Turn& turn);
  void wait(DecodedRecord lease, bool behind, const DecodedRecord* older, Turn& turn);
  void leave_queue(const SubnetKey& subnet, Waiting& waiting);
  void next_of_queue(const Cidr4& subnet, Turn& turn) const;
  void next_of_subnet(const Cidr4& subnet, Turn& turn);
  void settle(Turn& turn);
  void try_to_stand(const SubnetKey& subnet, Turn& turn);
  void stand(const SubnetKey& subnet, Turn& turn);
  void say_reasons_again(const DecodedRecord& older, Turn& turn) const;
  const DecodedRecord* standing_for(const Cidr4& subnet) const;
  const DecodedRecord* oldest_of(const Cidr4& subnet) const;
  const DecodedRecord* older_in_the_way(const DecodedRecord& lease);

  Leases shown_;
  Leases hidden_;
  std::map<SubnetKey, Waiting> waiting_;
  std::map<Cidr4, SubnetKey> first_;  // of those that wait for one subnet, the one not behind
  Queues behind_;                     // by their own subnet
  Queues queues_;
  std::uint64_t looked_at_ = 0;
};

}  // namespace flannel
