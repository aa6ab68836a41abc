// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "plan/host_troubles.h"

namespace flannel {

// The base chains of nftables at the hook `forward` that refuse what they have not accepted, by
// their policy or by a last rule without a condition. Left out are those of iptables and Docker
// (the table "ip filter", where flannel has accepts of its own), of flannel, and those in a table
// that has a rule which names the network or a device of the query: somebody has thought of flannel
// there.
//
// Rules are asked for of such a chain, and of the table of one that refuses, alone.
// ErrorKind::unsupported: a kernel without nftables.
Result<std::vector<ForwardChain>> chains_that_refuse_forwarding(const HostQuery& query);

}  // namespace flannel
