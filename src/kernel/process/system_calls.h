// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace flannel {

// Limits the calling thread, the threads that it starts and the programs that they run to the
// system calls that a service needs, and to sockets of unix, IP, netlink and packets. Other calls
// fail with ENOSYS, other sockets with EAFNOSUPPORT, and the kernel writes them to its audit log.
// This cannot be undone, and adds to the limits of a container or a service manager. `for_charon`:
// charon may be one of the programs.
Result<void> filter_system_calls(bool for_charon);

// The names of the allowed system calls of all architectures. "socket" is not listed: it is allowed
// by address family.
std::span<const std::string_view> allowed_system_calls();

}  // namespace flannel
