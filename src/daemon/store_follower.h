// SPDX-License-Identifier: Apache-2.0
// Follows the store for as long as the daemon lives: list at a revision, watch from the next one,
// and whenever that ends, for whatever reason, list again. A list is compared with what is known,
// so nothing that happened in between is missed, also when the store came back with an older
// history. Nothing is ever concluded from a failure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "core/registry.h"
#include "loop/loop.h"

namespace flannel {

struct FollowerCounters {
  std::uint64_t snapshots = 0;
  std::uint64_t failures = 0;        // calls that failed and watches that broke
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

  // `registry` and `loop` outlive the follower.
  StoreFollower(Registry& registry, Loop& loop, Random random, Listener listener);

  void start();
  // Lists again now: what was heard so far is to be compared with the whole.
  void list_again();

  // The last list succeeded and the watch after it stands.
  bool connected() const { return connected_; }
  // Why not; empty when connected.
  const std::string& last_error() const { return last_error_; }
  const FollowerCounters& counters() const { return counters_; }

 private:
  void list();
  void listed(Result<Snapshot> snapshot);
  void watch(Revision from);
  void disconnected(const Error& error);

  Registry& registry_;
  Loop& loop_;
  Random random_;
  Listener listener_;
  Backoff backoff_{std::chrono::milliseconds(200), std::chrono::seconds(10)};
  WatchHandle watch_;
  SubscriptionPtr retry_;
  bool connected_ = false;
  std::string last_error_;
  FollowerCounters counters_;
};

}  // namespace flannel
