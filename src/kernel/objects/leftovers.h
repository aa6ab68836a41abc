// SPDX-License-Identifier: Apache-2.0
// What flanneld has left in this network namespace, whatever run and network it was for; what tells
// it from others' is docs/kernel-objects.md. With a device go its addresses, neighbours and
// forwarding entries.
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

namespace flannel {

struct Leftover {
  std::string_view backend;  // "udp", "vxlan", "host-gw"; empty: of no backend alone
  std::string text;          // "device flannel.1", "route 10.5.2.0/24 via 192.0.2.2 dev eth0"
  std::variant<LinkRow, RouteRow, NexthopRow> row;
};

// In an order in which they can be removed.
Result<std::vector<Leftover>> find_leftovers(NetlinkSocket& socket);

// One result for each; already gone counts as success.
std::vector<Result<void>> remove_leftovers(NetlinkSocket& socket,
                                           std::span<const Leftover> leftovers);

}  // namespace flannel
