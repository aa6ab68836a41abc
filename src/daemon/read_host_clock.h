// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/host_clock.h"

namespace flannel {

// Where the system says how it got its time; tests have others.
struct ClockSources {
  std::string boot_id = "/proc/sys/kernel/random/boot_id";
  std::string hardware_clocks = "/sys/class/rtc";
  std::string synchronized = "/run/systemd/timesync/synchronized";
  bool ask_kernel = true;  // adjtimex(2)
};

// Reads the clocks of this host. The wall clock counts as right if a time server sets it, as the
// kernel (adjtimex(2)) or systemd-timesyncd says, or if it was set from a hardware clock at boot
// (the file hctosys of its rtc device) and still agrees with it to within kClockError. Where
// this process may not call adjtimex(2), the other two count. A boot id that cannot be read is
// empty.
HostClock read_host_clock(const ClockSources& sources = {});

}  // namespace flannel
