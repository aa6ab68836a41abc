// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flannel {

constexpr int kPacketThreadNice = -5;

// Raises the priority of the calling thread, since the kernel's own forwarding also precedes other
// work, and requests short time slices, so that the thread is scheduled soon after packets arrive.
// The priority needs CAP_SYS_NICE or RLIMIT_NICE and is skipped without them. False: neither
// worked.
bool go_before_others();

}  // namespace flannel
