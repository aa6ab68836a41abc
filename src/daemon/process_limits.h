// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"

namespace flannel {

// What flanneld needs where nothing is large; with fewer, libraries end the process.
constexpr std::uint64_t kLeastDescriptors = 256;

// Raises the soft limit on descriptors to the hard one. ErrorKind::exhausted: that is below
// `least`.
Result<void> raise_descriptor_limit(std::uint64_t least = kLeastDescriptors);

// Lets threads of this process take the niceness `nice` (-5) later, without CAP_SYS_NICE. False: it
// needs CAP_SYS_RESOURCE, which is not there.
[[nodiscard]] bool allow_niceness(int nice);

}  // namespace flannel
