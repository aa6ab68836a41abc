// SPDX-License-Identifier: Apache-2.0
// The settings of IPv6 on our devices, in the network namespace of the calling thread.
#pragma once

#include <string>

#include "base/result.h"

namespace flannel {

// False if the kernel was started with ipv6.disable=1 or lacks the module.
bool kernel_has_ipv6();

// True if the device's setting accept_ra is 1 and has no effect, because the device forwards.
bool ignores_advertisements(const std::string& link);

// Lets the device have IPv6 addresses. ErrorKind::unsupported: this kernel has no IPv6.
Result<void> enable_ipv6(const std::string& link);

// Sets that the device gets no link-local address, and that router advertisements add neither
// addresses nor routes to it. Without a link-local address the kernel sends no router solicitations
// by it either. To be called while the device is down. Hosts without IPv6 need none of it.
void keep_ipv6_quiet(const std::string& link);

}  // namespace flannel
