// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/clock.h"
#include "core/registry.h"
#include "daemon/agent.h"
#include "status/snapshot.h"

namespace flannel {

// Returns the state of the agent as a value for other threads. `since`: when the connection to the
// store last changed.
StatusSnapshot status_of(const Agent& agent, const Registry& registry, TimePoint since);

// Returns the state as one line for `systemctl status`.
std::string one_line(const StatusSnapshot& status);

}  // namespace flannel
