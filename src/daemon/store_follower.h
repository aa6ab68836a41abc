// SPDX-License-Identifier: Apache-2.0
// Follows the store for as long as the daemon lives: list at a revision, watch from the next one,
// and whenever that ends, for whatever reason, list again, after a pause that grows until a watch
// has worked, and with the number of hosts that do so together. A list is compared with what is
// known, so nothing that happened in between is missed, also when the store came back with an older
// history. Nothing is ever concluded from a failure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/log_once.h"
#include "core/registry.h"
#include "loop/loop.h"

namespace flannel {

struct FollowerCounters {
  std::uint64_t snapshots = 0;
  std::uint64_t failures = 0;        // calls that failed and watches that broke
  std::uint64_t watches_ended = 0;   // those of them that were watches
  std::uint64_t positions_lost = 0;  // compacted or cleared history
};

// Loop thread only.
class StoreFollower {
 public:
  struct Listener {
    std::function<void(const Snapshot&)> on_snapshot;
    std::function<void(const std::vector<Change>&)> on_changes;
    std::function<void()> on_connection;  // connected() or last_error() changed
  };

  // Each pause is longer by a random share of this for each lease that was listed: hosts whose
  // watches end together take no more than 250 lists a second together. docs/scale.md
  static constexpr std::chrono::milliseconds kSpreadForEachLease{4};
  // But no longer than by this, whatever somebody has written there.
  static constexpr std::chrono::seconds kLongestSpread{30};

  // `registry` and `loop` outlive the follower.
  StoreFollower(Registry& registry, Loop& loop, Random random, Listener listener);

  void start();
  // Lists again now: what was heard so far is to be compared with the whole.
  void list_again();

  // The last list succeeded and the watch after it stands; after a watch that broke at once, the
  // next has to have had news or stood for some seconds.
  bool connected() const { return connected_; }
  // Connected, and no list is due or out: what happens in the store is heard as it happens. Its end
  // is not told; on_snapshot tells that it may be so again, on_connection too.
  bool hears() const { return connected_ && listed_; }
  // A list will be taken later than now, and told if it succeeds, or else the next.
  bool list_is_due() const { return retry_ != nullptr; }
  // Why not connected; empty when connected.
  const std::string& last_error() const { return last_error_; }
  const FollowerCounters& counters() const { return counters_; }

 private:
  void list();
  void count(const std::vector<Change>& changes);
  void list_after(Duration pause);
  void listed(Result<Snapshot> snapshot);
  void come_back();
  void watch(Revision from);
  void watch_works();
  void position_lost();
  void disconnected(const Error& error);

  Registry& registry_;
  Loop& loop_;
  Random random_;
  Listener listener_;
  Backoff backoff_{std::chrono::milliseconds(200), std::chrono::seconds(10)};
  WatchHandle watch_;
  SubscriptionPtr retry_;
  SubscriptionPtr standing_;     // until the watch has worked
  std::uint64_t turn_ = 0;       // of lists; the answer to an earlier one is of no interest
  std::size_t leases_ = 0;       // keys of subnets: listed, and come or gone since
  bool watch_in_doubt_ = false;  // the last one broke before it had worked
  bool listed_ = false;          // and no other list is due since
  bool connected_ = false;
  std::string last_error_;
  LogOnce logged_failures_;  // of this outage
  FollowerCounters counters_;
};

}  // namespace flannel
