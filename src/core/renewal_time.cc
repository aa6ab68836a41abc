// SPDX-License-Identifier: Apache-2.0
#include "core/renewal_time.h"

#include <algorithm>

namespace flannel {
namespace {

using std::chrono::seconds;

// The granted TTL is unchecked input; in nanoseconds, added to the clock, it must not overflow.
Duration sane(seconds ttl) {
  return std::clamp(ttl, seconds(1), seconds(100LL * 365 * 86400));
}

}  // namespace

TimePoint lease_end(TimePoint sent, seconds ttl) {
  return sent + sane(ttl);
}

TimePoint renewal_time(TimePoint sent, seconds ttl, seconds margin, const Random& random) {
  const Duration life = sane(ttl);
  Duration wait = life / 3;
  if (margin > seconds(0) && Duration(margin) < life) wait = std::min(wait, life - margin);
  const auto tenth = static_cast<std::uint64_t>(wait.count() / 10);
  return sent + wait - Duration(static_cast<Duration::rep>(random(tenth + 1)));
}

}  // namespace flannel
