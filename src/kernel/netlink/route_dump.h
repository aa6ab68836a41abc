// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/rtnetlink.h"

namespace flannel {

// The routes of both families' main tables; `protocol` 0: of any protocol. Those of a family are
// missing if the kernel lacks it, or in a network namespace that has no main table yet because it
// never had an address.
Result<std::vector<RouteRow>> route_rows(NetlinkSocket& socket, std::uint8_t protocol);

}  // namespace flannel
