// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/flags.h"

namespace flannel {

// Returns the flags and variables of flannel up to v0.7, of its forks and of related programs, each
// with its replacement.
std::vector<OldFlag> old_daemon_flags();

}  // namespace flannel
