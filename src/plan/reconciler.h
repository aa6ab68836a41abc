// SPDX-License-Identifier: Apache-2.0
// Makes the kernel equal to the desired state: read, diff, add before remove, touch only our own
// objects, retry failed changes. Start, repair and change are one code path, and a repetition is
// harmless.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "plan/comparison.h"
#include "plan/desired_state.h"
#include "plan/kernel.h"
#include "plan/net_state.h"
#include "plan/pending_changes.h"

namespace flannel {

struct ReconcileCounters {
  std::uint64_t full_syncs = 0;
  std::uint64_t changes = 0;      // objects put or removed
  std::uint64_t corrections = 0;  // of these, repairs by full syncs after the first
  std::uint64_t failures = 0;
};

// Loop thread only.
class Reconciler {
 public:
  using Peers = std::vector<std::pair<IpPrefix, NetState>>;

  // `kernel` outlives the reconciler.
  explicit Reconciler(Kernel& kernel) : kernel_(kernel) {}

  // set_host() and set_peers() change the desired state. The kernel is not touched before the first
  // sync(). After it set_peers() applies its changes at once, and the changes of set_host() wait
  // for sync() or tick(). A device that leaves the scope of set_host() is removed.
  void set_host(Scope scope, NetState host);
  // Changes many peers in one batch; an empty state removes the peer.
  void set_peers(Peers peers, TimePoint now);
  // Does the same in one sync(), together with what set_host() has left to do: for a change after
  // which peers need what the host has not yet, or no longer need what it has.
  Result<void> set_peers_and_sync(Peers peers, TimePoint now);

  // Reads the kernel and repairs every difference. Objects of ours that are not desired are
  // removed, so the peers must be set before the first call. Fails only if the kernel cannot be
  // read: then nothing was touched, and tick() tries again. Objects whose change failed are in
  // unmet(), and tick() retries them.
  Result<void> sync(TimePoint now);

  // Another program may have changed the kernel (a notification, ENOBUFS). Schedules one sync soon
  // for all calls until then.
  void suspect(TimePoint now);

  void tick(TimePoint now);
  TimePoint next_wakeup() const;

  // Reads the kernel and says how it differs from the desired state; changes nothing. The reading
  // takes tens of milliseconds at 5,000 peers.
  Result<Comparison> compare() const;

  // The objects that are not as desired, with the reason ("remove ..": an object that is not
  // desired); empty if the kernel equals the desired state. A missing device stands for all objects
  // on it. unmet() names at most kMostNamed objects with a pending change and kMostNamed with a
  // conflict of owners; more_unmet() is the number of the others.
  static constexpr std::size_t kMostNamed = 100;
  std::map<std::string, std::string> unmet() const;
  std::size_t more_unmet() const;
  // Returns why the kernel cannot be read; empty: it can.
  const std::string& read_error() const { return read_error_; }
  // A sync succeeded and every object of set_host() is in place.
  bool host_in_place() const;
  const ReconcileCounters& counters() const { return counters_; }

 private:
  void change_peers(DesiredState::Parts parts, TimePoint now);
  void mark_pending(const std::vector<KernelChange>& changes);
  Scope reading_scope() const;
  NetState only_ours(NetState have, const Scope& scope) const;
  // The state of the kernel is known, so single objects may be changed.
  bool can_change() const { return started_ && read_pauses_.last() == Duration::zero(); }
  Result<void> reading_failed(Error error, TimePoint now);
  std::vector<KernelChange> not_our_doing(const std::vector<KernelChange>& changes) const;
  void clear_done(std::vector<KernelChange>& changes);
  void retry(TimePoint now);
  void find_missing_links(const NetState& have, const NetState& wanted);
  bool is_on_missing_link(const KernelObject& object) const;
  // Changes devices first, and leaves out the objects on a device that cannot be made.
  void carry_out(const std::vector<KernelChange>& changes, TimePoint now);
  void apply(const std::vector<KernelChange>& changes, TimePoint now);
  void done(const KernelChange& change);
  bool is_surplus(const KernelChange& change) const;
  void count_corrections(std::vector<KernelChange> unexpected);

  Kernel& kernel_;
  Scope scope_;
  std::set<std::string> retired_links_;  // of earlier scopes, until a sync finds them gone
  std::set<std::string> missing_links_;  // desired and missing at the last sync
  DesiredState desired_;
  PendingChanges pending_;
  bool started_ = false;  // a sync succeeded
  TimePoint last_sync_{};
  TimePoint sync_at_ = kNever;
  Backoff read_pauses_ = kKernelPauses;  // not reset: the last read failed
  std::string read_error_;
  // A sync whose corrections do not last, because another program undoes them or the kernel returns
  // other values than it was given, must not be repeated ten times a second for ever.
  static constexpr Duration kShortestGap = std::chrono::milliseconds(100);
  int corrective_syncs_ = 0;                              // in a row
  Backoff gaps_{kShortestGap, std::chrono::seconds(30)};  // between them, after many in a row
  ReconcileCounters counters_;
};

}  // namespace flannel
