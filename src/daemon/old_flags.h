// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/flags.h"

namespace flannel {

// What flannel up to v0.7, its forks and the programs beside it have on their command lines and in
// their environments, and what became of it.
std::vector<OldFlag> old_daemon_flags();

}  // namespace flannel
