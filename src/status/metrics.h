// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/clock.h"
#include "status/snapshot.h"

namespace flannel {

// Renders the snapshot in the text format of Prometheus, version 0.0.4: docs/metrics.md. No label
// has a value of which there may be many, such as a peer.
std::string metrics_text(const StatusSnapshot& status, TimePoint now);

}  // namespace flannel
