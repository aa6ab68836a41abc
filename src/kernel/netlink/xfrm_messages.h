// SPDX-License-Identifier: Apache-2.0
// Policies of IPsec as the kernel's netlink protocol NETLINK_XFRM has them. docs/kernel-objects.md
#pragma once

#include <optional>
#include <utility>

#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_message.h"
#include "net/address.h"
#include "plan/ipsec.h"

namespace flannel {

// Each function appends one request.

// ip xfrm policy list
void dump_policies(NetlinkBatch& batch);
// ip xfrm policy get: of the policy with this identity
void get_policy(NetlinkBatch& batch, const IpsecPolicy& policy);
// ip xfrm policy add: the kernel refuses it if there is one with this identity
void add_policy(NetlinkBatch& batch, const IpsecPolicy& policy);
// ip xfrm policy update: in place of the one with this identity, in one step
void replace_policy(NetlinkBatch& batch, const IpsecPolicy& policy);
// ip xfrm policy delete: the one with this identity
void delete_policy(NetlinkBatch& batch, const IpsecPolicy& policy);

// The policy of a message of a dump or an answer. nullopt: it is damaged, or has not the form of
// ours: a single ESP tunnel with kIpsecReqid, or a pass or a block, each with its priority, for all
// packets between two prefixes.
std::optional<IpsecPolicy> decode_policy(NetlinkBytes payload);

// The prefixes from and to which a policy leads that a notification is about; nullopt: it does not
// say them.
std::optional<std::pair<IpPrefix, IpPrefix>> decode_changed_policy(NetlinkBytes payload);

}  // namespace flannel
