// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "base/backoff.h"
#include "base/clock.h"

namespace flannel {

// The end of a lease that was granted for `ttl` by a call made at `sent`.
TimePoint lease_end(TimePoint sent, std::chrono::seconds ttl);

// The time to renew the lease: after a third of its life or `margin` before its end, whichever is
// earlier, and up to a tenth of that earlier at random, so that hosts started together do not renew
// together. A margin that is as long as the life is ignored.
TimePoint renewal_time(TimePoint sent, std::chrono::seconds ttl, std::chrono::seconds margin,
                       const Random& random);

}  // namespace flannel
