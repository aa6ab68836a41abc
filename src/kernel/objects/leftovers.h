// SPDX-License-Identifier: Apache-2.0
// Finds and removes the kernel objects that earlier runs of flanneld, for any network, left in this
// network namespace. docs/kernel-objects.md says how they are recognised. The addresses, neighbours
// and FDB entries of a device are removed with it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/rtnetlink.h"
#include "plan/ipsec.h"
#include "plan/left_device.h"
#include "plan/net_state.h"

namespace flannel {

struct Leftover {
  std::string_view backend;  // "vxlan"; empty: of several backends
  std::string text;          // "device flannel.1", "route 10.5.2.0/24 via 192.0.2.2 dev eth0"
  std::variant<LinkRow, RouteRow, NexthopRow, IpsecPolicy> row;
};

// Returns the leftovers in an order in which they can be removed.
Result<std::vector<Leftover>> find_leftovers(NetlinkSocket& socket);

// The devices of earlier runs by which the kernel wraps packets, also those of other daemons. Those
// of `networks` have an address in one of them.
Result<std::vector<LeftDevice>> left_tunnels(NetlinkSocket& socket,
                                             std::span<const IpPrefix> networks);

// Returns one result for each; a leftover that is already gone is a success.
std::vector<Result<void>> remove_leftovers(NetlinkSocket& socket,
                                           std::span<const Leftover> leftovers);

}  // namespace flannel
