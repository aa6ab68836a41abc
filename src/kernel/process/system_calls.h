// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace flannel {

// From now on the calling thread, the threads that it starts and the programs that they run have
// the system calls that a service needs, and sockets of unix, IP and netlink; the kernel says of
// all others that it does not know them, and writes them to its audit log. Cannot be undone; adds
// to what a container or a service manager forbids.
Result<void> filter_system_calls();

// By name, of every architecture; "socket" comes besides, by its families.
std::span<const std::string_view> allowed_system_calls();

}  // namespace flannel
