// SPDX-License-Identifier: Apache-2.0
// Executes the decisions of the LeaseKeeper: calls the store, runs its timer, logs each step, and
// knows what is wrong with the lease.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "core/kept_state.h"
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
    // The phase or the problems of the lease have changed.
    std::function<void()> on_state;
  };

  // `registry`, `follower` and `loop` must outlive the runner.
  LeaseRunner(LeaseKeeper keeper, Registry& registry, StoreFollower& follower, Loop& loop,
              Listener listener);

  // `fresh` is a snapshot taken just now, so that the first decision needs no call to the store.
  void start(const Snapshot& fresh);
  // In place of start(), with a lease of an earlier run: as in LeaseKeeper.
  void resume(const Lease& lease, const KeptLease& kept);

  // This host is drained, and no longer is. `fresh`: a snapshot taken just now, in place of
  // start(); null: it runs already.
  void drain(const Snapshot* fresh = nullptr);
  void undrain();

  // To be called with what `follower` reports: changes, and snapshots after a lost connection.
  void on_change(const Change& change);
  void on_snapshot(const Snapshot& snapshot);
  void on_resumed();
  // As in LeaseKeeper.
  void on_older_lease();

  // This host has a new node id, so its lease may announce something else.
  void rename(const NodeTag& node);
  // The configuration has changed, or what this host announces.
  void reconfigure(const NetworkConfig& config);
  // As in LeaseKeeper.
  void set_options(std::chrono::seconds renew_margin, bool renumber);
  void on_other_store(bool has_lease) { keeper_.on_other_store(has_lease); }

  const LeaseKeeper& keeper() const { return keeper_; }
  // Returns why the lease was lost, or cannot be acquired or deleted; nullopt: none of these.
  const std::optional<Problem>& problem() const { return problem_; }
  // Appends this and all else that is wrong with the lease.
  void append_problems(std::vector<Problem>& all) const;
  bool is_drained() const {
    return keeper_.phase() == LeasePhase::draining || keeper_.phase() == LeasePhase::drained;
  }

 private:
  void perform(std::vector<KeeperAct> acts);
  void perform(const TakeSnapshot& act);
  void perform(const CreateRecord& act);
  void perform(const ReplaceRecord& act);
  void perform(const RenewRecord& act);
  void perform(const ReleaseRecord& act);
  void perform(const ReportTakeOver& act);
  void perform(const ReportDrained& act);
  void perform(const AnnounceActive& act);
  void perform(const ReportLost& act);
  void perform(const ReportError& act);
  std::string validity() const;
  std::chrono::seconds time_left() const;
  void on_written(TimePoint sent, Result<WriteResult> held);
  void note_reservation();
  void set_problem(Problem problem);
  bool should_be_renewed() const;

  LeaseKeeper keeper_;
  Registry& registry_;
  StoreFollower& follower_;
  Loop& loop_;
  Listener listener_;
  // The snapshot that answers the next TakeSnapshot without a call to the store; null: none.
  const Snapshot* fresh_snapshot_ = nullptr;
  bool awaits_list_ = false;  // the keeper waits for the list that the follower will take
  Timer timer_{loop_, [this] { perform(keeper_.tick(loop_.now())); }};
  bool created_ = false;                  // the last write made a new record
  std::optional<bool> reservation_;       // what the active lease is
  std::optional<ReportDrained> drained_;  // nullopt: not since the last lease
  std::string renewal_failure_;  // the last since the lease was renewed or written; empty: none
  bool refused_ = false;         // the store was reachable then
  std::optional<Problem> problem_;
};

}  // namespace flannel
