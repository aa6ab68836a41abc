// SPDX-License-Identifier: Apache-2.0
// Changes that are not done yet: each with the reason and the time of its next try. One object's
// failure says nothing about any other's.
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
  // To be tried at the next occasion.
  void mark(KernelChange change, TimePoint now);
  // To be tried again: after 0.1 s, and each time the same change fails after twice as long, up to
  // 30 s. Returns false if it had failed for the same reason before.
  bool failed(const KernelChange& change, const Error& error, TimePoint now);
  // Done or without object now.
  void erase(const ObjectKey& key);

  const PendingChange* find(const ObjectKey& key) const;
  const std::map<ObjectKey, PendingChange>& all() const { return all_; }

  // In safe order (diff.h).
  std::vector<KernelChange> due(TimePoint now) const;
  TimePoint next_due() const { return by_time_.empty() ? kNever : by_time_.begin()->first; }

 private:
  void enter(PendingChange pending);

  std::map<ObjectKey, PendingChange> all_;
  std::set<std::pair<TimePoint, const ObjectKey*>> by_time_;  // keys of all_, which stay in place
};

// The pause after one of `pause`; zero: the first.
Duration longer_pause(Duration pause);

}  // namespace flannel
