// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "plan/kernel.h"
#include "plan/net_state.h"

namespace flannel {

// The changes that turn `have` into `want`, in safe order: first all puts, then all removals. A
// device is put before the objects on it, and a peer's neighbour and FDB entry before its route
// (with the route alone the kernel would resolve the gateway by ARP). Removals have the reverse
// order.
//
// diff() accounts for what the kernel drops by itself: it puts all objects on a recreated device
// again, and removes no single objects from a device that is removed.
std::vector<KernelChange> diff(const NetState& have, const NetState& want);

// Sorts changes, at most one for each identity, into safe order.
void put_in_safe_order(std::vector<KernelChange>& changes);

// True if the kernel cannot change `have` into `want`: the kind of device, VNI, port, family of the
// local address, GBP flag or foreign features differ.
bool needs_new_device(const Link& have, const Link& want);

}  // namespace flannel
