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

// Who wrote a lease: which host, and in which of its lives. A host that is copied disk and all has
// the node id of the original, but it was booted by itself, or has a network namespace of its own.
struct NodeTag {
  NodeId id;
  std::uint32_t boot = 0;  // boot_number() of this boot and namespace
  auto operator<=>(const NodeTag&) const = default;
};

// From /proc/sys/kernel/random/boot_id, which all containers of one machine share, and a number
// that tells the network namespaces of one boot apart.
std::uint32_t boot_number(std::string_view boot_id, std::uint64_t network_namespace);
std::string to_string(const NodeTag& tag);  // the id, a slash, the boot as 8 hexadecimal digits
Result<NodeTag> decode_node_tag(std::string_view text);

// A locally administered unicast MAC (IEEE 802: second-least significant bit of the first byte
// set, least significant clear) that is always the same for one node and VNI.
Mac vtep_mac(const NodeId& id, std::uint32_t vni);

}  // namespace flannel
