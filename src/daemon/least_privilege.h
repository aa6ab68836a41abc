// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/options.h"

namespace flannel {

// Gives up what root may do and this daemon needs not, unless --keep-privileges, and says in the
// log what is kept. Once what needs more is done, such as binding a port below 1024, and before any
// thread is started.
void give_up_privileges(const Options& options);

}  // namespace flannel
