// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace flannel {

// Why this process cannot program the kernel, with what to do about it: the capability
// CAP_NET_ADMIN is missing. Empty: it has it.
std::string missing_net_admin();

}  // namespace flannel
