// SPDX-License-Identifier: Apache-2.0
#include "base/line_limit.h"

#include <algorithm>

namespace flannel {

bool LineLimit::admits(std::string_view kind, TimePoint now) {
  const auto known = kinds_.find(kind);
  if (known == kinds_.end()) {
    if (kinds_.size() >= kMostKinds) forget_ended(now);
    if (kinds_.size() >= kMostKinds && kind != kOthers) return admits(kOthers, now);
    kinds_.emplace(kind, Kind{now, 1});
    return true;
  }
  Kind& same = known->second;
  if (now - same.began >= kPeriod && same.lines <= kMost) same = {now, 0};
  if (++same.lines <= kMost) return true;
  next_end_ = std::min(next_end_, same.began + kPeriod);
  return false;
}

std::vector<LineLimit::HeldBack> LineLimit::take_ended(TimePoint now) {
  std::vector<HeldBack> ended;
  if (now < next_end_) return ended;
  next_end_ = kNever;
  for (auto& [name, kind] : kinds_) {
    if (kind.lines <= kMost) continue;
    if (now - kind.began >= kPeriod) {
      ended.push_back({name, kind.lines - kMost, now - kind.began});
      kind = {now, 0};
    } else {
      next_end_ = std::min(next_end_, kind.began + kPeriod);
    }
  }
  return ended;
}

void LineLimit::forget_ended(TimePoint now) {
  std::erase_if(kinds_, [now](const auto& kind) {
    return now - kind.second.began >= kPeriod && kind.second.lines <= kMost;
  });
}

}  // namespace flannel
