// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"

namespace flannel {

// The clocks of a host at one moment. The steady one counts within a boot; across boots there is
// only the wall clock, which may be wrong.
struct HostClock {
  std::string boot;        // /proc/sys/kernel/random/boot_id; empty: it cannot be read
  TimePoint since_boot{};  // CLOCK_BOOTTIME
  std::chrono::sys_seconds wall{};
  // The sources that say that the wall clock is right, to within kClockError: a time server, and
  // the hardware clock, which runs on while the host is off.
  bool by_server = false;
  bool by_hardware = false;
  bool is_right() const { return by_server || by_hardware; }
};

inline constexpr std::chrono::seconds kClockError{60};

}  // namespace flannel
