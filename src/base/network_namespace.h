// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"

namespace flannel {

// A number of the network namespace that the thread is in, which no other one of this machine has
// at the same time.
Result<std::uint64_t> this_network_namespace();

}  // namespace flannel
