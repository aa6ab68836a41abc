// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/options.h"

namespace flannel {

// Drops the privileges that this daemon does not need, unless --keep-privileges, and logs which are
// kept. Must be called after everything that needs more, such as binding a port below 1024, and
// before any thread is started.
void give_up_privileges(const Options& options);

}  // namespace flannel
