// SPDX-License-Identifier: Apache-2.0
// The changes that are not done yet, each with the reason and the time of its next attempt. Each
// object is retried independently of the others.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/result.h"
#include "plan/kernel.h"

namespace flannel {

// The pauses between attempts to change an object, and between attempts to read the kernel.
inline constexpr Backoff kKernelPauses{std::chrono::milliseconds(100), std::chrono::seconds(30)};

struct PendingChange {
  KernelChange change;
  std::string reason;
  Backoff pauses = kKernelPauses;  // reset: the change was not tried yet
  TimePoint due;
};

class PendingChanges {
 public:
  // Makes the change due at once.
  void mark(KernelChange change, TimePoint now);
  // Schedules another attempt after the next of kKernelPauses; a change that differs from the one
  // that failed before begins with the shortest.
  void failed(const KernelChange& change, const Error& error, TimePoint now);
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

}  // namespace flannel
