// SPDX-License-Identifier: Apache-2.0
// A name for this host that survives restarts and reboots: 16 random bytes in
// /var/lib/flannel/node-id, as 32 hexadecimal digits and a newline.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

struct NodeId {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const NodeId&) const = default;
};

std::string to_string(const NodeId& id);
Result<NodeId> decode_node_id(std::string_view text);

// Identifies the writer of a lease: the host, and its boot. A copy of a host, with its disk, has
// the node id of the original, but another boot or another network namespace.
struct NodeTag {
  NodeId id;
  std::uint32_t boot = 0;  // boot_number() of this boot and namespace
  auto operator<=>(const NodeTag&) const = default;
};

// A hash of /proc/sys/kernel/random/boot_id, which all containers of a machine share, and of a
// number that identifies the network namespace within one boot.
std::uint32_t boot_number(std::string_view boot_id, std::uint64_t network_namespace);
std::string to_string(const NodeTag& tag);  // the id, a slash, the boot as 8 hexadecimal digits
Result<NodeTag> decode_node_tag(std::string_view text);

// A locally administered unicast MAC (IEEE 802: second-least significant bit of the first byte
// set, least significant clear) that is always the same for one node and VNI.
Mac vtep_mac(const NodeId& id, std::uint32_t vni);

}  // namespace flannel
