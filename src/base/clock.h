// SPDX-License-Identifier: Apache-2.0
// Time since boot, counting the time the host was suspended. Leases expire while a host sleeps,
// so every deadline of this program is on this clock; wall-clock time is only ever printed.
#pragma once

#include <chrono>

namespace flannel {

struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
  static time_point now();  // CLOCK_BOOTTIME
};

using Duration = BootClock::duration;
using TimePoint = BootClock::time_point;

inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace flannel
