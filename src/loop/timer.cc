// SPDX-License-Identifier: Apache-2.0
#include "loop/timer.h"

namespace flannel {

void Timer::arm(TimePoint when) {
  if (when == due_) return;
  due_ = when;
  subscription_.reset();
  if (when == kNever) return;
  subscription_ = loop_.at(when, [this] {
    due_ = kNever;
    const auto expired = expired_;  // a copy: it may destroy this timer
    expired();
  });
}

}  // namespace flannel
