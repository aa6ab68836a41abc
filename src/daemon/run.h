// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/option_source.h"

namespace flannel {

// Runs the agent until SIGTERM or SIGINT and returns 0, or until it cannot continue and returns 1,
// with the reason in the log. Devices, routes, subnet.env and the lease stay for the next start.
// `source`: what `options` were read from, and are read from again at SIGHUP.
int run(const Options& options, OptionSource& source);

}  // namespace flannel
