// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "plan/host_troubles.h"

namespace flannel {

// How this host does what it has to do for the overlay, of the network namespace that the thread is
// in. Some questions to the kernel, one of them for the whole main table of routes; nothing is
// changed. What this kernel does not have (nftables) is left out.
Result<HostState> read_host_state(const HostQuery& query);

}  // namespace flannel
