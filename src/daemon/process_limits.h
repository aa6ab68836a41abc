// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"

namespace flannel {

// The descriptors that flanneld needs in a small network. With fewer, libraries end the process.
constexpr std::uint64_t kLeastDescriptors = 256;

// Raises the soft limit on descriptors to the hard limit. ErrorKind::exhausted: the hard limit is
// below `least`.
Result<void> raise_descriptor_limit(std::uint64_t least = kLeastDescriptors);

// Allows threads of this process to take the niceness `nice` (-5) later without CAP_SYS_NICE.
// False: this process lacks CAP_SYS_RESOURCE, which is necessary.
[[nodiscard]] bool allow_niceness(int nice);

}  // namespace flannel
