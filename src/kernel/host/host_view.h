// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "plan/underlay_choice.h"

namespace flannel {

// The interfaces, addresses, routes and name servers of this host as they are now. `lookup_route`
// of the view asks the kernel anew at each call, over a socket of its own that the view keeps; it
// fails with ErrorKind::unavailable where no route leads.
Result<HostView> look_at_host();

}  // namespace flannel
