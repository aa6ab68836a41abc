// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/clock.h"

namespace flannel {

// Returns a number in [0, bound); `bound` is above 0. Tests pass a fixed sequence.
using Random = std::function<std::uint64_t(std::uint64_t bound)>;

// The pauses between attempts: the first is `shortest`, and each further one is twice the pause
// before it, up to `longest`.
class Backoff {
 public:
  // 0 < `shortest` <= `longest`.
  constexpr Backoff(Duration shortest, Duration longest) : shortest_(shortest), longest_(longest) {}

  // Returns the next pause, for an attempt that concerns this host alone.
  constexpr Duration next() {
    pause_ = pause_ == Duration::zero() ? shortest_ : std::min(pause_ * 2, longest_);
    return pause_;
  }
  // Returns the next pause, whose second half is random: hosts that failed at the same time do not
  // try again at the same time.
  Duration next(const Random& random) {
    const Duration half = next() / 2;
    return half + Duration(static_cast<Duration::rep>(
                      random(static_cast<std::uint64_t>(half.count()) + 1)));
  }
  constexpr void reset() { pause_ = Duration::zero(); }

  // Returns the last pause, before its random half; zero at the start and after reset().
  constexpr Duration last() const { return pause_; }

 private:
  Duration shortest_;
  Duration longest_;
  Duration pause_ = Duration::zero();
};

}  // namespace flannel
