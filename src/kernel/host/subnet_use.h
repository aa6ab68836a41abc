// SPDX-License-Identifier: Apache-2.0
// Who uses addresses of a subnet on this host, in the network namespace of the calling thread. Each
// call asks the kernel, over a socket of its own.
#pragma once

#include <string>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

// Returns a device with an address in the subnet other than its base, which devices of overlays
// have, and that address: "docker0, which has 10.5.34.1"; empty: there is none.
Result<std::string> device_in(const IpPrefix& subnet);

// Returns a route of the main table that overlaps the subnet, without default routes:
// "10.5.0.0/16 dev flannel0"; empty: there is none.
Result<std::string> route_over(const IpPrefix& subnet);

}  // namespace flannel
