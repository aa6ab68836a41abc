// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/options.h"

namespace flannel {

// Runs the agent until SIGTERM or SIGINT and returns 0, or until it cannot continue and returns 1,
// with the reason in the log. Devices, routes, subnet.env and the lease stay for the next start.
int run(const Options& options);

}  // namespace flannel
