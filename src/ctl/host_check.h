// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/network_config.h"
#include "ctl/command.h"

namespace flannel {

// What of this host the network would clash with, in the sentences that flanneld says; none where
// the terminal offers no look at the host.
std::vector<std::string> clashes_on_this_host(const NetworkConfig& config,
                                              const CtlOptions& options, const Terminal& terminal);

}  // namespace flannel
