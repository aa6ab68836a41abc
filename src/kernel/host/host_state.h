// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "plan/host_problems.h"

namespace flannel {

// Reads how this host forwards the traffic of the overlay in the family of the query, in the
// network namespace of the calling thread: bridges, forwarding settings and other programs' routes.
// It sends a few requests to the kernel, one of them for the whole main table of routes, and
// changes nothing. `refusing_forward` stays empty: filter/forward_chains.h reads it.
Result<HostState> read_host_state(const HostQuery& query);

}  // namespace flannel
