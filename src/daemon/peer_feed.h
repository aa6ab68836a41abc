// SPDX-License-Identifier: Apache-2.0
// The peers of one network as the store tells of them: KnownPeers, its two clocks, and what the log
// says of records that cannot be used and of hosts that are copies of this one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "core/known_peers.h"
#include "daemon/store_follower.h"
#include "loop/loop.h"

namespace flannel {

// Loop thread only.
class PeerFeed {
 public:
  struct Parts {
    Loop& loop;               // outlives the feed
    StoreFollower& follower;  // outlives the feed; asked for a second list
    HostIdentity host;        // this host
    // Peers that were missing for long enough; what on_snapshot() and on_changes() return is not
    // repeated here.
    std::function<void(const std::vector<PeerChange>&)> on_peers;
    std::function<void()> on_state;  // any accessor below may answer differently
  };

  PeerFeed(Parts parts, KnownPeers peers);

  // What the store says. Returns what is to be done about it, in this order.
  std::vector<PeerChange> on_snapshot(const Snapshot& snapshot);
  std::vector<PeerChange> on_changes(const std::vector<Change>& changes);
  // The follower's connected() or hears() may have changed.
  void on_connection() { arm_grace_timer(); }

  // This host is another node from now on; nobody is a copy of that yet.
  void set_host(const HostIdentity& host);

  const HostIdentity& host() const { return parts_.host; }
  const KnownPeers& peers() const { return peers_; }
  // Leases of other hosts that have our node id, by subnet.
  const std::map<SubnetKey, Lease>& copies() const { return copies_; }

 private:
  void look_into(const std::vector<PeerChange>& changes);
  void name_quarantined();
  void look_for_copies(const std::vector<PeerChange>& changes);
  void arm_recheck_timer();
  void arm_grace_timer();

  Parts parts_;
  KnownPeers peers_;
  std::map<SubnetKey, Lease> copies_;
  std::uint64_t quarantine_told_ = 0;  // its version
  std::size_t unnamed_told_ = 0;       // the most, as the log has told
  SubscriptionPtr recheck_timer_;
  TimePoint recheck_timer_at_ = kNever;
  SubscriptionPtr grace_timer_;
  TimePoint grace_timer_at_ = kNever;
  std::size_t suspected_ = 0;       // peers
  std::size_t suspected_told_ = 0;  // the most, as the log has told
};

}  // namespace flannel
