// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"

namespace flannel {

// Returns the ids of the processes named flanneld, upstream's included, that are in the network
// namespace of this process and may change it: those of root, of this user, and those with
// CAP_NET_ADMIN. They would restore, or miss, what is removed while they run. In ascending order.
// `proc` is where the kernel shows its processes; an error if it does not, as in a chroot.
Result<std::vector<int>> running_daemons(const std::filesystem::path& proc = "/proc");

}  // namespace flannel
