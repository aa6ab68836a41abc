// SPDX-License-Identifier: Apache-2.0
// Tracks the peers of one network from the records of the store: KnownPeers with its timers, and
// the problems with records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/problem.h"
#include "core/known_peers.h"
#include "daemon/store_follower.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Loop thread only.
class PeerFeed {
 public:
  struct Parts {
    Loop& loop;               // must outlive the feed
    StoreFollower& follower;  // must outlive the feed; takes the second list
    HostIdentity host;        // this host
    // Called with peers whose grace period has ended. The changes that on_snapshot() and
    // on_changes() return are not repeated here.
    std::function<void(const std::vector<PeerChange>&)> on_peers;
    std::function<void()> on_state;  // the result of any accessor below may have changed
  };

  PeerFeed(Parts parts, KnownPeers peers);

  // To be called with what the store reports. Return the resulting changes of peers, in order.
  std::vector<PeerChange> on_snapshot(const Snapshot& snapshot);
  std::vector<PeerChange> on_changes(const std::vector<Change>& changes);
  // connected() or is_up_to_date() of the follower may have changed.
  void on_connection() { arm_timer(); }

  // To be called when this host has a new node id, which no other host has yet.
  void set_host(const HostIdentity& host);

  // To be called when the networks are others. A list is to follow.
  void set_networks(std::vector<IpPrefix> networks) { peers_.set_networks(std::move(networks)); }

  const HostIdentity& host() const { return parts_.host; }
  const KnownPeers& peers() const { return peers_; }
  // Returns the leases of other hosts that have our node id, by subnet.
  const std::map<SubnetKey, Lease>& copies() const { return copies_; }
  // Appends what is wrong with records.
  void append_problems(std::vector<Problem>& all) const;

 private:
  void process_changes(const std::vector<PeerChange>& changes);
  void find_copies(const std::vector<PeerChange>& changes);
  void arm_timer();
  void tick();

  Parts parts_;
  KnownPeers peers_;
  std::map<SubnetKey, Lease> copies_;
  std::uint64_t quarantine_version_ = 0;  // as on_state() was last called for it
  Timer timer_{parts_.loop, [this] { tick(); }};
  std::size_t suspected_ = 0;  // peers, as on_state() was last called for them
};

}  // namespace flannel
