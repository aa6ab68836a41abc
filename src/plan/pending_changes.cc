// SPDX-License-Identifier: Apache-2.0
#include "plan/pending_changes.h"

#include <utility>

#include "plan/diff.h"

namespace flannel {

void PendingChanges::enter(PendingChange pending) {
  ObjectKey key = key_of(pending.change.object);
  erase(key);
  const TimePoint due = pending.due;
  const auto at = all_.emplace(std::move(key), std::move(pending)).first;
  by_time_.emplace(due, &at->first);
}

void PendingChanges::mark(KernelChange change, TimePoint now) {
  enter({std::move(change), "not tried yet", kKernelPauses, now});
}

void PendingChanges::failed(const KernelChange& change, const Error& error, TimePoint now) {
  const PendingChange* before = find(key_of(change.object));
  const bool again = before && before->change == change;
  Backoff pauses = again ? before->pauses : kKernelPauses;
  const Duration pause = pauses.next();
  enter({change, error.text, pauses, now + pause});
}

void PendingChanges::erase(const ObjectKey& key) {
  const auto at = all_.find(key);
  if (at == all_.end()) return;
  by_time_.erase({at->second.due, &at->first});
  all_.erase(at);
}

const PendingChange* PendingChanges::find(const ObjectKey& key) const {
  const auto at = all_.find(key);
  return at == all_.end() ? nullptr : &at->second;
}

std::vector<KernelChange> PendingChanges::due(TimePoint now) const {
  std::vector<KernelChange> changes;
  for (const auto& [when, key] : by_time_) {
    if (when > now) break;
    changes.push_back(all_.at(*key).change);
  }
  put_in_safe_order(changes);
  return changes;
}

}  // namespace flannel
