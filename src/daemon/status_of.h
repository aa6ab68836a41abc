// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/clock.h"
#include "core/store_feed.h"
#include "daemon/agent.h"
#include "status/snapshot.h"

namespace flannel {

// Returns the state of the agent, apart from its problems, as a value for other threads. `since`:
// when the connection to `store` last changed.
StatusSnapshot status_of(const Agent& agent, const StoreFeed& store, TimePoint since);

// Returns the state as one line for `systemctl status`.
std::string one_line(const StatusSnapshot& status);

}  // namespace flannel
