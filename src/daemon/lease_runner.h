// SPDX-License-Identifier: Apache-2.0
// Executes the decisions of the LeaseKeeper: calls the store, runs its timer and logs each step.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log_once.h"
#include "core/lease_keeper.h"
#include "core/registry.h"
#include "daemon/store_follower.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Loop thread only.
class LeaseRunner {
 public:
  struct Listener {
    // The lease is ours; again when its attributes change.
    std::function<void(const Lease&)> on_active;
    // The phase or the trouble of the lease has changed.
    std::function<void()> on_state;
  };

  // `registry`, `follower` and `loop` must outlive the runner.
  LeaseRunner(LeaseKeeper keeper, Registry& registry, const StoreFollower& follower, Loop& loop,
              Listener listener);

  // `fresh` is a snapshot taken just now, so that the first decision needs no call to the store.
  void start(const Snapshot& fresh);

  // To be called with what `follower` reports: changes, and snapshots after a lost connection.
  void on_change(const Change& change);
  void on_snapshot(const Snapshot& snapshot);

  // This host has a new node id, so its lease may announce something else.
  void rename(const NodeTag& node);
  // The configuration has changed, or what this host announces.
  void reconfigure(const NetworkConfig& config);
  void on_other_store(bool has_lease) { keeper_.on_other_store(has_lease); }

  const LeaseKeeper& keeper() const { return keeper_; }
  // Returns why the lease was lost or cannot be acquired; empty if neither is the case.
  const std::string& trouble() const { return trouble_; }
  // Returns why the lease is not renewed, although half of its life is over and the store is
  // reachable; empty if it is renewed.
  std::string renewal_trouble() const;

 private:
  void perform(std::vector<KeeperAct> acts);
  void perform(const TakeSnapshot& act);
  void perform(const CreateRecord& act);
  void perform(const ReplaceRecord& act);
  void perform(const RenewRecord& act);
  void perform(const ReleaseRecord& act);
  void perform(const ReportTakeOver& act);
  void perform(const AnnounceActive& act);
  void perform(const ReportLost& act);
  void perform(const ReportError& act);
  std::string validity() const;
  std::chrono::seconds time_left() const;
  void on_written(TimePoint sent, Result<WriteResult> held);
  void note_reservation();
  void note_renewal(const Result<WriteResult>& held);
  void report_renewal_trouble();
  void clear_renewal_failures();

  LeaseKeeper keeper_;
  Registry& registry_;
  const StoreFollower& follower_;
  Loop& loop_;
  Listener listener_;
  // The snapshot that answers the next TakeSnapshot without a call to the store; null: none.
  const Snapshot* fresh_snapshot_ = nullptr;
  bool awaits_list_ = false;  // the keeper waits for the list that the follower will take
  Timer timer_{loop_, [this] { perform(keeper_.tick(loop_.now())); }};
  bool created_ = false;                 // the last write made a new record
  std::optional<bool> reservation_;      // what the active lease is
  LogOnce renewal_failures_;             // since the lease was last renewed or written
  std::string renewal_failure_;          // the last of them; empty: the store was unreachable
  bool renewal_trouble_logged_ = false;  // renewal_trouble() has been logged
  std::string trouble_;
  LogOnce logged_refusals_;  // since the lease was last active
  std::string last_key_;     // of the last write of a record
};

}  // namespace flannel
