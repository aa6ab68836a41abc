// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace flannel {

// If this process lacks the capability CAP_NET_ADMIN, a sentence that says so and what to do; empty
// if it has it.
std::string missing_net_admin();

}  // namespace flannel
