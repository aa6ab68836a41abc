// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

#include "loop/loop.h"

namespace flannel {

// One thing that is to happen at a time that may change. Loop thread only.
class Timer {
 public:
  // `loop` outlives the timer. `expired` runs once for each time that was armed and neither
  // replaced nor cancelled, in the first turn at or after it; the timer is not armed any more by
  // then. `expired` may arm the timer again, and may destroy it.
  Timer(Loop& loop, std::function<void()> expired) : loop_(loop), expired_(std::move(expired)) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces the time that is armed. A time in the past means: in this turn or the next. kNever
  // cancels; the time that is armed already changes nothing.
  void arm(TimePoint when);
  void arm_after(Duration pause) { arm(loop_.now() + pause); }
  void cancel() { arm(kNever); }

  bool armed() const { return due_ != kNever; }
  // When it expires; kNever: it is not armed.
  TimePoint due() const { return due_; }

 private:
  Loop& loop_;
  std::function<void()> expired_;
  TimePoint due_ = kNever;
  SubscriptionPtr subscription_;
};

}  // namespace flannel
