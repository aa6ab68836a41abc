// SPDX-License-Identifier: Apache-2.0
// Devices of this host that earlier runs of the daemon left.
#pragma once

#include <span>
#include <vector>

#include "daemon/kept_fds.h"
#include "daemon/sd_notify.h"
#include "net/address.h"
#include "plan/net_state.h"

namespace flannel {

// The vxlan devices with an address in one of `networks`; none if they cannot be read.
std::vector<Link> left_devices(std::span<const IpPrefix> networks);

// Removes the device of the udp backend if an earlier run used it and this one uses another
// backend.
void forget_packet_path(ServiceNotifier& notifier, KeptFds& kept,
                        std::span<const IpPrefix> networks);

}  // namespace flannel
