// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace flannel {

// A token bucket that allows `burst` events at once, and then one every `interval`.
class RateLimit {
 public:
  RateLimit(int burst, Duration interval) : burst_(burst), interval_(interval), tokens_(burst) {}

  bool allow(TimePoint now) {
    const auto earned = (now - refilled_) / interval_;
    if (earned >= burst_) {
      tokens_ = burst_;
      refilled_ = now;
    } else if (earned > 0) {
      tokens_ = std::min(burst_, tokens_ + static_cast<int>(earned));
      refilled_ += earned * interval_;
    }
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  int burst_;
  Duration interval_;
  int tokens_;
  TimePoint refilled_{};
};

// Returns the limit for ICMP errors in one direction of a queue pair, which is the limit that Linux
// has for a host (icmp_msgs_burst, icmp_msgs_per_sec).
inline RateLimit icmp_error_limit() {
  return {50, std::chrono::milliseconds(1)};
}

}  // namespace flannel
