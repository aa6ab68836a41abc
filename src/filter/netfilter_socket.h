// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"

namespace flannel {

// For the network namespace that the thread is in. Closing it soon after a transaction of anybody
// takes some 10 ms, as long as the kernel needs to dispose of what was replaced.
Result<NetlinkSocket> open_netfilter();

// The names of all tables of nftables, "ip filter". One question to the kernel: libnftables reads
// every rule of the host before it answers. ErrorKind::unsupported: a kernel without nftables.
Result<std::vector<std::string>> nft_tables(NetlinkSocket& netfilter);

}  // namespace flannel
