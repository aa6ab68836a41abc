// SPDX-License-Identifier: Apache-2.0
#include "filter/iptables_turn.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace flannel {

void IptablesTurn::take(std::function<void()> work) {
  assert(std::ranges::find(waiting_, this) == waiting_.end());
  work_ = std::move(work);
  waiting_.push_back(this);
  if (waiting_.front() == this) begin();
}

// The next one begins by its own loop, whose lines of the log name its network.
void IptablesTurn::end() {
  begin_.cancel();
  work_ = {};
  const bool had_it = !waiting_.empty() && waiting_.front() == this;
  std::erase(waiting_, this);
  if (had_it && !waiting_.empty()) {
    Timer& next = waiting_.front()->begin_;
    next.arm_after(Duration::zero());
  }
}

void IptablesTurn::begin() {
  if (const auto work = std::exchange(work_, {})) work();
}

}  // namespace flannel
