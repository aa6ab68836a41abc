// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

// Returns the names of the ports of `device` behind which `container` may be: one if the kernel
// knows where it is at the moment, else all. Empty: the device is no bridge, or there is none.
Result<std::vector<std::string>> bridge_ports(const std::string& device,
                                              const IpAddress& container);

}  // namespace flannel
