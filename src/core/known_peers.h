// SPDX-License-Identifier: Apache-2.0
// The peers that this host sends packets to. They follow the lease table, but one: when many leases
// go at once it is more likely that the store has lost them than that so many hosts have left. Then
// the peers stay until a second list, taken for that purpose a while later, has not got them
// either.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "core/lease_table.h"
#include "core/registry.h"

namespace flannel {

// How many peers of so many may go at once without a second look: 3 or a fifth, whatever is more.
constexpr std::size_t unquestioned_removals(std::size_t peers) {
  return peers / 5 > 3 ? peers / 5 : 3;
}

// Without I/O; time is an argument.
class KnownPeers {
 public:
  // The second list is due this long after the first loss, and up to as long again by chance. Hosts
  // that live are back in the store by then, whatever it had lost: they try at least every 10 s.
  static constexpr std::chrono::seconds kSecondLook{30};
  // Losses within this time count as one.
  static constexpr std::chrono::seconds kAtOnce{10};

  // `host` tells our own lease from the peers'.
  KnownPeers(LeaseTable table, HostIdentity host, Random random);

  // The whole, or what changed. What to do about it: downs come before ups.
  std::vector<PeerChange> on_snapshot(TimePoint now, const Snapshot& snapshot);
  std::vector<PeerChange> on_changes(TimePoint now, const std::vector<Change>& changes);

  // When to take the second list, the next on_snapshot() at or after this; kNever: no need to.
  TimePoint second_look() const { return second_look_; }
  // Peers that the table has lost and that stay until then.
  struct Doubted {
    Lease lease;
    TimePoint since;
  };
  const std::map<SubnetKey, Doubted>& doubted() const { return doubted_; }

  // What the store says.
  const LeaseTable& table() const { return table_; }
  // What holds: the table and the doubted ones, our own lease among them.
  std::map<SubnetKey, DecodedRecord> leases() const;

 private:
  struct News;  // changes by what they mean

  News sorted(TimePoint now, std::size_t before, std::vector<PeerChange> changes);
  std::vector<PeerChange> judge(TimePoint now, News news);
  bool is_doubtful(TimePoint now, const News& news);
  void doubt(TimePoint now, std::vector<Lease> gone);
  std::vector<PeerChange> confirm(TimePoint now);
  void look_later(TimePoint now);
  void settle_by(const Lease& up, std::vector<PeerChange>& result);

  LeaseTable table_;
  HostIdentity host_;
  Random random_;
  std::map<SubnetKey, Doubted> doubted_;
  TimePoint second_look_ = kNever;
  bool config_there_ = true;                // a store without one has lost more than that
  bool own_there_ = false;                  // our own lease, in the table
  std::optional<TimePoint> own_lost_ = {};  // when it went last
  TimePoint losses_began_{};                // of those that count as one,
  std::size_t peers_then_ = 0;              // how many peers there were when they began
  std::size_t lost_since_ = 0;              // and how many went
};

}  // namespace flannel
