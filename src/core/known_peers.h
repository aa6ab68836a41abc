// SPDX-License-Identifier: Apache-2.0
// The peers to which this host sends packets. They follow the lease table, but losses take effect
// later: if a lease is deleted by hand, its host restores it within milliseconds, and if many
// leases vanish at once, it is more likely that the store has lost them than that so many hosts
// have left.
//
//                lease gone,                   many others gone too
//              or a stranger's
//   following ────────────────▶ missing ─────────────────────────────▶ suspected
//       ▲                       │  │ kGracePeriod later: Down              │  │ also missing in a
//       │                       │  ▼                                       │  ▼ second list: Down
//       └── its host has put it back ──────────────────────────────────────┘
//
// Two leases conflict if they overlap, or announce one VTEP MAC for two public IPs. Only one of two
// leases that conflict is a peer. A lease that conflicts with a missing peer waits until that peer
// is removed.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "core/lease_table.h"
#include "core/missing_peers.h"
#include "core/registry.h"

namespace flannel {

// How many of `peers` peers may go at once without a recheck: 3 or a fifth, whichever is more.
constexpr std::size_t max_removals_without_recheck(std::size_t peers) {
  return peers / 5 > 3 ? peers / 5 : 3;
}

// Makes no I/O, and gets the time as an argument.
class KnownPeers {
 public:
  // A host that has lost its lease restores it as soon as its watch reports the loss. This takes
  // two messages, and after a failure a pause of up to 0.2 s and then of up to 0.4 s. A host that
  // has not restored its lease by then has left. Until then packets are still sent to it, and a new
  // owner of its subnet or of its MAC gets none.
  static constexpr std::chrono::milliseconds kGracePeriod{1500};
  // The second list is due this long after the first loss, plus a random time of up to the same
  // length. Running hosts have restored their leases by then, since they try at least every 10 s.
  static constexpr std::chrono::seconds kRecheckAfter{30};
  // Losses within this time count as one loss.
  static constexpr std::chrono::seconds kAtOnce{10};

  // `host` distinguishes our own lease from those of peers.
  KnownPeers(LeaseTable table, HostIdentity host, Random random);

  // This host has a new node id.
  void set_host(const HostIdentity& host);

  // The networks are others. A list is to follow.
  void set_networks(std::vector<IpPrefix> networks) { table_.set_networks(std::move(networks)); }

  // Take the content of the store, or its changes. Return the changes of the peers, which are to be
  // carried out in this order.
  std::vector<PeerChange> on_snapshot(TimePoint now, const Snapshot& snapshot);
  std::vector<PeerChange> on_changes(TimePoint now, const std::vector<Change>& changes);

  // When to call tick() next; kNever: never. While the watch of the store is broken, the leases of
  // missing peers may be back unseen, so tick() must then wait for the next list.
  TimePoint next_wakeup() const;
  std::vector<PeerChange> tick(TimePoint now);
  // True if a recheck is due: it is made by the next on_snapshot().
  bool wants_list() const { return list_wanted_; }

  // When the next grace period ends, and when the next recheck is due; kNever: there is none.
  TimePoint grace_end() const { return grace_end_; }
  TimePoint recheck_at() const { return recheck_at_; }
  // The number of suspected peers, which stay until the recheck.
  std::size_t suspected() const { return missing_.suspected(); }
  // The peers whose leases are missing, suspected ones among them.
  const std::map<SubnetKey, MissingPeers::Peer>& missing() const { return missing_.all(); }

  // The leases that the store has, also those that are no peers yet.
  const LeaseTable& table() const { return table_; }
  // The leases of the peers, and our own, as a copy. Missing peers have no revision.
  ListedLeases leases() const;
  // The one of them with this subnet; null: there is none. Valid until the next change.
  const Lease* find(const SubnetKey& subnet) const;

 private:
  using Changes = std::vector<PeerChange>;
  using Lost = std::vector<SubnetKey>;

  // What a change affects. Peers that it does not name stay as they are.
  struct Affected {
    std::map<SubnetKey, Shared<Lease>> before{};  // peers until now: they change or go
    std::set<SubnetKey> to_check{};  // leases of the table: those that need not wait are peers
  };

  std::size_t peers() const { return table_.leases().size() - (own_there_ ? 1 : 0); }
  bool is_surely_ours(const Lease& lease) const;
  bool waits(const Lease& lease) const;
  bool waits_for_mac(const Lease& lease) const;
  bool successor_waits_for_mac(const MissingPeers::Peer& missing) const;
  std::vector<SubnetKey> waiting_for(const MissingPeers::Peer& missing) const;
  void take_in(TimePoint now, Changes changes, Changes& result, Lost& lost);
  void forget_waiting(Changes& changes) const;
  void on_down(TimePoint now, const Shared<Lease>& lease, Changes& result);
  void on_up(TimePoint now, const PeerUp& up, Affected& affected);
  void make_way_for(TimePoint now, const PeerUp& up, Affected& affected);
  void make_way_for_subnet(TimePoint now, const Lease& lease, Affected& affected);
  void keep_former(TimePoint now, const Changes& changes, Affected& affected);
  void add_missing(TimePoint now, const Shared<Lease>& lease);
  void extend_grace(TimePoint now, const SubnetKey& subnet);
  void let_go(const SubnetKey& subnet, Affected& affected);
  void let_predecessors_go(Affected& affected);
  void come_up(Affected affected, Changes& result);
  void classify_loss(TimePoint now, std::size_t peers_before, const Lost& lost);
  bool is_wanted(const SubnetKey& subnet) const;
  bool is_mass_loss(TimePoint now) const;
  void confirm(TimePoint now, Changes& result);
  void suspect_after_mass_loss(TimePoint now);
  void schedule_recheck(TimePoint now);
  void end_recheck_if_none_suspected();

  LeaseTable table_;
  HostIdentity host_;
  Random random_;
  MissingPeers missing_;
  TimePoint grace_end_ = kNever;
  TimePoint recheck_at_ = kNever;
  bool list_wanted_ = false;
  std::optional<TimePoint> mass_loss_since_ = {};  // nullopt: each mass loss had its recheck
  bool config_there_ = true;                       // false: the store has lost more than leases
  bool own_there_ = false;                         // true: the table has our own lease
  std::optional<TimePoint> own_lost_ = {};         // the last time that our own lease was lost
  // Losses that count as one: their beginning, the number of peers then, and of losses since.
  TimePoint losses_began_{};
  std::size_t peers_then_ = 0;
  std::size_t lost_since_ = 0;
};

}  // namespace flannel
