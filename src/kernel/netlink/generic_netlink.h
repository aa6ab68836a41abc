// SPDX-License-Identifier: Apache-2.0
// Generic netlink: its families have their numbers at run time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_message.h"

namespace flannel {

// Asks for the number of a family. The kernel loads the module of a family that it lacks.
void get_generic_family(NetlinkBatch& batch, std::string_view name);
// nullopt: the payload is damaged.
std::optional<std::uint16_t> decode_generic_family(NetlinkBytes payload);

// Begins a request of a family.
void begin_generic(NetlinkBatch& batch, std::uint16_t family, std::uint8_t command,
                   std::uint8_t version);
// Removes the header from the front of a message of a family; false: it is damaged, or of another
// command.
bool take_generic_header(NetlinkBytes& payload, std::uint8_t command);

}  // namespace flannel
