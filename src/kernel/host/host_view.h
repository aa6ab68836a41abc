// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "plan/underlay_choice.h"

namespace flannel {

// Reads the present interfaces, addresses, routes and name servers of this host. `lookup_route` of
// the view asks the kernel at each call, over a socket that the view owns, and fails with
// ErrorKind::unavailable if there is no route.
Result<HostView> read_host();

}  // namespace flannel
