// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/netfilter/nfnetlink.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"

namespace flannel {

// The netlink type of a message of nf_tables, for example NFT_MSG_GETTABLE.
constexpr std::uint16_t nft_message_type(int message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

// A netlink socket to nftables, in the network namespace of the calling thread. Closing it soon
// after a transaction of any process takes some 10 ms: the kernel first disposes of what was
// replaced.
Result<NetlinkSocket> open_netfilter();

// The names of all tables of nftables, such as "ip filter", by a single request. (libnftables would
// read every rule of the host for it.) ErrorKind::unsupported: the kernel has no nftables.
Result<std::vector<std::string>> nft_tables(NetlinkSocket& netfilter);

}  // namespace flannel
