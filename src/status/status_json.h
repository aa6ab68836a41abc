// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "status/snapshot.h"

namespace flannel {

using Json = nlohmann::ordered_json;

// The members that /readyz?verbose shows: docs/flanneld.md.
Json status_json(const StatusSnapshot& status, TimePoint now);
// Those of the member "problems" there.
Json problems_json(const std::vector<Problem>& problems, TimePoint now);

}  // namespace flannel
