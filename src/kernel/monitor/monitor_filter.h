// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "net/address.h"

namespace flannel {

// Sets which notifications the kernel queues for the monitor, so that neither ARP traffic of the
// underlay nor our own batches wake the loop or fill the buffer. Replaces the previous filter in
// one step. Queued are:
// - every change of a device, and of whether it forwards;
// - addresses, except link-local ones of IPv6, unless the request socket `own_port` made the change
//   (also for the next two);
// - routes and next hops: of our protocol, of the kernel (IPv4), default routes, those that replace
//   another, and routes inside of `networks` (empty: none is known);
// - neighbours and FDB entries on `links`, which are interface indexes.
Result<void> filter_notifications(const Fd& socket, std::uint32_t own_port,
                                  const std::vector<int>& links,
                                  const std::vector<IpPrefix>& networks);

}  // namespace flannel
