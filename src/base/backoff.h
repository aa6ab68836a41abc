// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/clock.h"

namespace flannel {

// Returns a number in [0, bound); `bound` is above 0. Tests pass a fixed sequence.
using Random = std::function<std::uint64_t(std::uint64_t bound)>;

// The pauses between attempts. Each pause is twice the one before, up to `longest`, and its second
// half is random, so that hosts that failed at the same time do not try again at the same time.
class Backoff {
 public:
  Backoff(Duration shortest, Duration longest) : shortest_(shortest), longest_(longest) {}

  Duration next(const Random& random) {
    pause_ = pause_ == Duration::zero() ? shortest_ : std::min(pause_ * 2, longest_);
    const auto half = static_cast<std::uint64_t>(pause_.count() / 2);
    return pause_ / 2 + Duration(static_cast<Duration::rep>(random(half + 1)));
  }
  void reset() { pause_ = Duration::zero(); }

 private:
  Duration shortest_;
  Duration longest_;
  Duration pause_ = Duration::zero();
};

}  // namespace flannel
