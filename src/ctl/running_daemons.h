// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"

namespace flannel {

// The processes named flanneld, upstream's too, that have this process's network namespace and may
// change it, whatever other namespaces they are in: what is removed under them would come back, or
// be missed. Those are root's, this user's, and those with CAP_NET_ADMIN.
// Ascending. `proc`: where the kernel shows its processes; where it does not, as in a chroot, that
// is an error.
Result<std::vector<int>> running_daemons(const std::filesystem::path& proc = "/proc");

}  // namespace flannel
