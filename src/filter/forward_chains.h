// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "plan/host_problems.h"

namespace flannel {

// The base chains of nftables at the hook `forward` that refuse what they have not accepted, by
// their policy or by a last rule without a condition, in the network namespace of the thread. Left
// out are:
// - the tables "ip filter" and "ip6 filter" of iptables and Docker, where flannel has own accepts;
// - tables for the other family than that of the query's network;
// - flannel's own tables;
// - tables with a rule that names the network or a device of the query: their administrator has
//   considered flannel there.
//
// The rules of a chain are read only if its table may refuse something. A kernel without nftables
// has no such chain; any other failure to read them is logged, and none is reported.
std::vector<ForwardChain> refusing_forward_chains(const HostQuery& query);

}  // namespace flannel
