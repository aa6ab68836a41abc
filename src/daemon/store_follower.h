// SPDX-License-Identifier: Apache-2.0
// Follows the store: takes a snapshot (a list) at a revision and watches from the next one.
//
//             ┌──────────── position lost, another history, no proof in time ───────────┐
//             ▼                                                                         │
//   start ▶ list ──▶ watch ──broken──▶ pause ──▶ watch that repeats what is known ──────┤
//             ▲         ▲                ▲           │     └─broken─▶ pause             │
//             │         └────────────────┼── proven ─┘                                  │
//             └── the comparison is due ─┴─ a store that does not repeat its history ───┘
//
// The pauses grow until a watch has worked, and with the number of hosts that are likely to ask at
// the same time. A broken watch goes on only if it proves that the store still has the history that
// is known (core/known_history.h); in any doubt there is a list. Some time after a watch has gone
// on, a list is compared with what is known all the same. A failure never counts as a change.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "core/known_history.h"
#include "core/store_feed.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

struct FollowerCounters {
  std::uint64_t snapshots = 0;
  std::uint64_t positions_lost = 0;  // compacted or cleared history
  std::uint64_t resumed = 0;         // broken watches that went on without a list
  std::uint64_t refuted = 0;         // histories that were not the known one
};

// Loop thread only.
class StoreFollower {
 public:
  struct Listener {
    std::function<void(const Snapshot&)> on_snapshot;
    std::function<void(const std::vector<Change>&)> on_changes;
    std::function<void()> on_connection;  // connected() or last_error() changed
    // A broken watch goes on without a list. on_changes follows with what was missed.
    std::function<void()> on_resumed = [] {};
    // The snapshot of start_from() may be used in place of a first list. `is_proven`: the store has
    // the history of the snapshot, which is as the store says now. Otherwise the store has not
    // answered; this is asked again, at least once a second, until it does. Returns true if it is
    // used: what the store says then comes as changes, or as another snapshot.
    std::function<bool(const Snapshot&, bool is_proven)> on_kept = [](const Snapshot&, bool) {
      return false;
    };
  };

  // Each pause is extended by a random part of this time for each listed lease. Hosts whose watches
  // end at the same time then take at most 250 lists a second in total. See docs/scale.md.
  static constexpr std::chrono::milliseconds kSpreadForEachLease{4};
  // The same before a watch goes on, which costs the store far less: at most 5,000 a second.
  static constexpr std::chrono::microseconds kSpreadForEachWatch{200};
  // The longest extension, since other programs may write any number of records.
  static constexpr std::chrono::seconds kLongestSpread{30};

  // A watch that goes on has to prove the history within this time. A store that does not answer at
  // all ends the watch earlier.
  static constexpr std::chrono::seconds kProofDeadline{15};
  // A store that is silent for so long after the start counts as away.
  static constexpr std::chrono::seconds kPatience{2};
  // Then on_kept() is asked again after such pauses.
  static constexpr std::chrono::seconds kAskedAgain{1};
  // What was missed since then is gathered for so long after the proof, so that the start is from
  // what the store says now.
  static constexpr std::chrono::milliseconds kGathered{20};
  // What was missed comes with the proof, or some milliseconds later if it is much.
  static constexpr std::chrono::seconds kAllReported{1};
  // After a watch has gone on, the list for comparison follows in this time, and by chance in up to
  // kComparisonForEachLease for each lease more: all hosts together take at most one list in two
  // seconds, and those of a small cluster six an hour each.
  static constexpr std::chrono::minutes kSoonestComparison{10};
  static constexpr std::chrono::seconds kComparisonForEachLease{2};
  static constexpr std::chrono::hours kLatestComparison{48};

  // `store` and `loop` must outlive the follower.
  StoreFollower(StoreFeed& store, Loop& loop, Random random, Listener listener);

  void start();
  // In place of start(): goes on from what an earlier run knew of this store, if the store has the
  // history that ends with these changes (empty: unknown), and otherwise with a list.
  void start_from(Snapshot kept, const std::vector<Change>& history);
  // Takes a snapshot now, so that the changes so far are compared with the whole state.
  void list_again();
  // To be called when the listener can use what it could not: asks on_kept() again while the store
  // is away, and otherwise takes a snapshot.
  void offer_again();

  // True if the last list succeeded and the watch after it works. After a watch that broke at once,
  // the next one must first report a change or last for some seconds.
  bool connected() const { return connected_; }
  // True if connected and all that was missed has been reported, so that changes of the store are
  // reported as they happen. There is no callback when this becomes false; on_snapshot and
  // on_connection are called when it may have become true.
  bool is_up_to_date() const { return connected_ && current_; }
  // Takes a list after the pause that is under way, even if the watch could go on then. Returns
  // false if there is no such pause. on_snapshot is called when this list, or a later one,
  // succeeds.
  bool list_after_pause();
  // Returns why the follower is not connected; empty if it is.
  const std::string& last_error() const { return last_error_; }
  const FollowerCounters& counters() const { return counters_; }
  // The last changes that are known, also after a break.
  const KnownHistory& known() const { return known_; }
  // True while the watch after a list has not repeated what the list has, or has shown that the
  // list lacks records: what has been reported may not be what the store had after known().
  bool doubts_list() const;

 private:
  // A list that is believed is one whose watch has nothing to prove.
  enum class Next { list, believed_list, watch_from_list, resume };

  void act();
  void list(bool is_checked);
  void listed(Result<Snapshot> snapshot, bool is_checked);
  void watch_from_list();
  void resume();
  void watch(Revision from);
  void on_changes(const std::vector<Change>& changes);
  void learn(const std::vector<Change>& changes);
  void count(const std::vector<Change>& changes);
  void stood();
  void resumed();
  void all_reported();
  void compare();
  void offer_kept();
  void gather(const std::vector<Change>& missed);
  void use_proven();
  void doubt(const char* why);
  void position_lost();
  bool is_proven() const;
  bool watch_less();
  void disconnected(const Error& error);
  void come_back();
  void watch_works();
  void end_watch();
  Duration by_chance(Duration longest);
  void wait_for(Next next, Duration pause);
  void list_after(Duration pause) { wait_for(Next::list, pause); }

  StoreFeed& store_;
  Loop& loop_;
  Random random_;
  Listener listener_;
  // The first try after a break comes early enough for the grace period of peers
  // (KnownPeers::kGracePeriod).
  Backoff backoff_{std::chrono::milliseconds(200), std::chrono::seconds(10)};
  KnownHistory known_;
  std::optional<Snapshot> kept_;  // of start_from(), until it is used or the store has answered
  HistoryProof proof_;            // of the current watch
  WatchHandle watch_;
  Next next_ = Next::list;  // when retry_ expires
  Timer retry_{loop_, [this] { act(); }};
  Timer patience_{loop_, [this] { offer_kept(); }};   // armed while there is kept_
  Timer gathering_{loop_, [this] { use_proven(); }};  // armed from the proof of kept_ until its use
  Timer standing_{loop_, [this] { stood(); }};        // armed until the watch has worked
  // Armed until a watch that goes on is proven.
  Timer proving_{loop_, [this] { doubt("the store does not repeat the history that we know"); }};
  Timer reporting_{loop_, [this] { all_reported(); }};  // armed from then on until it is up to date
  Timer comparison_{loop_, [this] { compare(); }};      // armed from then on until the next list
  std::uint64_t turn_ = 0;       // number of the current list; answers to earlier ones are ignored
  Revision listed_at_ = 0;       // of the last list
  std::size_t leases_ = 0;       // keys of subnets: those of the last list and the changes since
  bool watch_in_doubt_ = false;  // the last watch broke before it had worked
  bool current_ = false;         // what was reported is all, as is_up_to_date() says
  bool connected_ = false;
  std::string last_error_;
  FollowerCounters counters_;
};

}  // namespace flannel
