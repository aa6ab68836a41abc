// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"

namespace flannel {

// Returns a number that identifies the network namespace of the calling thread. No other network
// namespace of this machine has the same number at the same time.
Result<std::uint64_t> this_network_namespace();

}  // namespace flannel
