// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flannel {

constexpr int kPacketThreadNice = -5;

// The calling thread goes before what else the CPU has to do, as the kernel's own forwarding does,
// and asks for little of it at a time, so that it is let in soon when packets come. The first needs
// CAP_SYS_NICE or RLIMIT_NICE, and is done without where we may not. False: neither is possible.
bool go_before_others();

}  // namespace flannel
