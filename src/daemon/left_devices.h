// SPDX-License-Identifier: Apache-2.0
// Devices of this host that earlier runs of the daemon left.
#pragma once

#include <span>
#include <vector>

#include "net/address.h"
#include "plan/left_device.h"

namespace flannel {

// The devices of runs before by which the kernel wraps packets, those of other daemons included,
// and the TUN devices of runs before in `networks`; none if they cannot be read. `holds_queues` is
// true if an earlier run left the queues of its TUN device open, and this process has them.
std::vector<LeftDevice> left_devices(std::span<const IpPrefix> networks, bool holds_queues);

}  // namespace flannel
