// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "net/address.h"

namespace flannel {

// Which notifications the kernel queues for the monitor at all, so that neither the ARP traffic of
// the underlay nor our own batches wake us or fill the buffer: news of every device and of whether
// it forwards; addresses, routes, next hops and neighbours unless the request socket `own_port`
// made them; of routes and next hops those of our protocol, the kernel's own, those that replace
// something, and routes inside of `network` (0.0.0.0/0: none); of neighbours and FDB entries those
// on `links`, interface indexes. Replaces the filter before it in one step.
Result<void> filter_notifications(const Fd& socket, std::uint32_t own_port,
                                  const std::vector<int>& links, const Cidr4& network);

}  // namespace flannel
