// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "base/backoff.h"
#include "base/clock.h"

namespace flannel {

// When a lease granted for `ttl` by a call made at `sent` ends.
TimePoint lease_end(TimePoint sent, std::chrono::seconds ttl);

// When to renew it: after a third of its life or `margin` before its end, whatever comes first, and
// up to a tenth of that earlier by chance: hosts started together do not renew together. A margin
// that leaves no life is ignored.
TimePoint renewal_time(TimePoint sent, std::chrono::seconds ttl, std::chrono::seconds margin,
                       const Random& random);

}  // namespace flannel
