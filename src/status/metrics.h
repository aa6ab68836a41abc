// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/clock.h"
#include "status/board.h"

namespace flannel {

// Renders the snapshots in the text format of Prometheus, version 0.0.4: docs/metrics.md. Values of
// a network that has a name have it as the label "network". No label has a value of which there may
// be many, such as a peer.
std::string metrics_text(const NetworkStatuses& networks, TimePoint now);

}  // namespace flannel
