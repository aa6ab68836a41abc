// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "plan/kernel.h"
#include "plan/net_state.h"

namespace flannel {

// What makes `have` into `want`, in an order in which it can be done: first everything that is put,
// devices before what is on them and a peer's neighbour and FDB entry before its route (with the
// route alone the kernel would ask for the gateway by ARP), then the removals the other way round.
//
// Whatever the kernel drops by itself is reckoned with: all that is on a recreated device is put
// again, and nothing is removed one by one from a device that goes as a whole.
std::vector<KernelChange> diff(const NetState& have, const NetState& want);

// Brings changes, one for an identity, into that order.
void put_in_safe_order(std::vector<KernelChange>& changes);

// The kernel cannot turn `have` into `want` by changing it: another VNI, port, lower device, local
// address GBP flag or foreign features, or another kind of device.
bool needs_new_device(const Link& have, const Link& want);

}  // namespace flannel
