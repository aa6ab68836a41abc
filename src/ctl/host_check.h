// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/network_config.h"
#include "ctl/command.h"

namespace flannel {

// Returns which addresses of this host the network would conflict with, in the sentences of
// flanneld. Empty if the terminal cannot read the host.
std::vector<std::string> clashes_on_this_host(const NetworkConfig& config,
                                              const CtlOptions& options, const Terminal& terminal);

}  // namespace flannel
