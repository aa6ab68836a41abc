// SPDX-License-Identifier: Apache-2.0
// Waits until the hosts have followed a new configuration, as far as their leases show it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/network_config.h"
#include "core/store_feed.h"
#include "ctl/command.h"

namespace flannel {

// The hosts with a node id: those of this release. Other hosts do not follow.
struct Followers {
  std::size_t hosts = 0;
  std::vector<std::string> late{};  // those that have not followed, a sentence for each
};

// A host has followed when it has a lease in the network that announces the data plane of `config`.
Followers followers_of(const NetworkConfig& config, const Snapshot& snapshot);

struct FollowWait {
  std::chrono::milliseconds longest{60'000};
  std::chrono::milliseconds pause{1000};  // between two lists
};

// Calls `list` until all hosts have followed `config`, which was written as `text`. Prints which
// hosts have not by then, and fails. Failures of `list` count only if the last one fails.
Result<void> wait_for_followers(const NetworkConfig& config, const std::string& text,
                                const FollowWait& wait,
                                const std::function<Result<Snapshot>()>& list,
                                const Terminal& terminal);

}  // namespace flannel
