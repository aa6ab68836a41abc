// SPDX-License-Identifier: Apache-2.0
// Makes the kernel equal to the desired state: read, diff, add before remove, touch only what is
// ours, retry what failed. Start-up, repair and change are the same path; doing it twice is
// harmless.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "plan/desired_state.h"
#include "plan/kernel.h"
#include "plan/net_state.h"
#include "plan/pending_changes.h"

namespace flannel {

struct ReconcileCounters {
  std::uint64_t full_syncs = 0;
  std::uint64_t changes = 0;      // objects put or removed
  std::uint64_t corrections = 0;  // of them in a full sync after the first: others' doing
  std::uint64_t failures = 0;
};

// Loop thread only.
class Reconciler {
 public:
  // `kernel` outlives the reconciler.
  explicit Reconciler(Kernel& kernel) : kernel_(kernel) {}

  // Change the desired state. Nothing touches the kernel before the first sync(); afterwards
  // set_peers applies its own difference at once, and set_host needs a sync() or tick(). A device
  // that is no longer in the scope of set_host() is removed if it was in it before.
  void set_host(Scope scope, NetState host);
  // Many at once, one batch; an empty state is none.
  void set_peers(std::vector<std::pair<Cidr4, NetState>> peers, TimePoint now);

  // Reads the kernel and mends every difference; objects of ours that are not desired go, so the
  // peers must be set before the first call. The error is that of reading, after which nothing was
  // touched; tick() tries again. Objects that failed are in unmet(), and tick() retries them.
  Result<void> sync(TimePoint now);

  // Something changed that is not our doing (a notification, ENOBUFS): sync soon, many news at
  // once.
  void suspect(TimePoint now);

  void tick(TimePoint now);
  TimePoint next_wakeup() const;

  // Objects that are not as desired ("remove ..": there and not desired), with the reason; empty:
  // all is well. For a device that is missing with all that belongs on it, the device alone. Of
  // very many some, and how many there are beside them.
  static constexpr std::size_t kMostNamed = 100;
  std::map<std::string, std::string> unmet() const;
  std::size_t more_unmet() const;
  // A sync succeeded and every object of set_host() is in place.
  bool host_in_place() const;
  const ReconcileCounters& counters() const { return counters_; }

 private:
  void change_peers(DesiredState::Parts parts, TimePoint now);
  Scope reading_scope() const;
  NetState only_ours(NetState have, const Scope& scope) const;
  Result<void> reading_failed(Error error, TimePoint now);
  std::vector<KernelChange> not_our_doing(const std::vector<KernelChange>& changes) const;
  void clear_done(std::vector<KernelChange>& changes);
  void retry(TimePoint now);
  void find_missing_links(const NetState& have, const NetState& wanted);
  bool is_on_missing_link(const KernelObject& object) const;
  // Devices first: what belongs on one that cannot be made is left out.
  void carry_out(const std::vector<KernelChange>& changes, TimePoint now);
  void apply(const std::vector<KernelChange>& changes, TimePoint now);
  void done(const KernelChange& change);
  bool is_surplus(const KernelChange& change) const;
  void count_corrections(std::vector<KernelChange> unexpected);
  Duration shortest_gap() const;

  Kernel& kernel_;
  Scope scope_;
  std::set<std::string> retired_links_;  // of earlier scopes, until they are seen to be gone
  std::set<std::string> missing_links_;  // desired and not made, as the last sync found
  DesiredState desired_;
  PendingChanges pending_;
  bool started_ = false;  // a sync succeeded
  TimePoint last_sync_{};
  TimePoint sync_at_ = kNever;
  Duration read_pause_ = Duration::zero();  // not zero: the last reading failed
  std::string read_error_;
  int corrective_syncs_ = 0;  // in a row
  ReconcileCounters counters_;
};

}  // namespace flannel
