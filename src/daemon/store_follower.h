// SPDX-License-Identifier: Apache-2.0
// Follows the store: takes a snapshot (a list) at a revision and watches from the next one.
// Whenever the watch ends, for any reason, it takes another snapshot after a pause. The pause grows
// until a watch has worked, and with the number of hosts that are likely to list at the same time.
// Since every list is compared with what is known, no change is missed, even if the store comes
// back with an older history. A failure never counts as a change.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "core/store_feed.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

struct FollowerCounters {
  std::uint64_t snapshots = 0;
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

  // Each pause is extended by a random part of this time for each listed lease. Hosts whose watches
  // end at the same time then take at most 250 lists a second in total. See docs/scale.md.
  static constexpr std::chrono::milliseconds kSpreadForEachLease{4};
  // The longest extension, since other programs may write any number of records.
  static constexpr std::chrono::seconds kLongestSpread{30};

  // `store` and `loop` must outlive the follower.
  StoreFollower(StoreFeed& store, Loop& loop, Random random, Listener listener);

  void start();
  // Takes a snapshot now, so that the changes so far are compared with the whole state.
  void list_again();

  // True if the last list succeeded and the watch after it works. After a watch that broke at once,
  // the next one must first report a change or last for some seconds.
  bool connected() const { return connected_; }
  // True if connected and no list is due or under way, so that changes of the store are reported as
  // they happen. There is no callback when this becomes false; on_snapshot and on_connection are
  // called when it may have become true.
  bool is_up_to_date() const { return connected_ && listed_; }
  // True if a list will be taken later. on_snapshot is called when it, or a later one, succeeds.
  bool list_is_due() const { return retry_.armed(); }
  // Returns why the follower is not connected; empty if it is.
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

  StoreFeed& store_;
  Loop& loop_;
  Random random_;
  Listener listener_;
  // The first list after a break comes early enough for the grace period of peers
  // (KnownPeers::kGracePeriod).
  Backoff backoff_{std::chrono::milliseconds(200), std::chrono::seconds(10)};
  WatchHandle watch_;
  Timer retry_{loop_, [this] { list(); }};
  Timer standing_{loop_, [this] { watch_works(); }};  // armed until the watch has worked
  std::uint64_t turn_ = 0;       // number of the current list; answers to earlier ones are ignored
  std::size_t leases_ = 0;       // keys of subnets: those of the last list and the changes since
  bool watch_in_doubt_ = false;  // the last watch broke before it had worked
  bool listed_ = false;          // a list has succeeded, and no other is due
  bool connected_ = false;
  std::string last_error_;
  FollowerCounters counters_;
};

}  // namespace flannel
