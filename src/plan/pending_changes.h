// SPDX-License-Identifier: Apache-2.0
// The changes that are not done yet, each with the reason and the time of its next attempt. Each
// object is retried independently of the others.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "plan/kernel.h"

namespace flannel {

struct PendingChange {
  KernelChange change;
  std::string reason;
  Duration pause = Duration::zero();  // zero: not tried yet
  TimePoint due;
};

class PendingChanges {
 public:
  // Makes the change due at once.
  void mark(KernelChange change, TimePoint now);
  // Schedules another attempt: after 0.1 s, and after twice the previous pause each time the same
  // change fails again, up to 30 s. Returns false if the previous attempt failed for the same
  // reason.
  bool failed(const KernelChange& change, const Error& error, TimePoint now);
  // Forgets the change: it is done or no longer needed.
  void erase(const ObjectKey& key);

  const PendingChange* find(const ObjectKey& key) const;
  const std::map<ObjectKey, PendingChange>& all() const { return all_; }

  // The changes whose time has come, in safe order (diff.h).
  std::vector<KernelChange> due(TimePoint now) const;
  TimePoint next_due() const { return by_time_.empty() ? kNever : by_time_.begin()->first; }

 private:
  void enter(PendingChange pending);

  std::map<ObjectKey, PendingChange> all_;
  std::set<std::pair<TimePoint, const ObjectKey*>> by_time_;  // pointers to the keys of all_
};

// The pause that follows `pause`; the first pause if `pause` is zero.
Duration longer_pause(Duration pause);

}  // namespace flannel
