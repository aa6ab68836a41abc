// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/generic_netlink.h"

#include <linux/genetlink.h>

namespace flannel {

void get_generic_family(NetlinkBatch& batch, std::string_view name) {
  begin_generic(batch, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
  batch.put(CTRL_ATTR_FAMILY_NAME, name);
}

std::optional<std::uint16_t> decode_generic_family(NetlinkBytes payload) {
  if (!take_generic_header(payload, CTRL_CMD_NEWFAMILY)) return std::nullopt;
  return NetlinkAttributes<CTRL_ATTR_FAMILY_ID>(payload).number<std::uint16_t>(CTRL_ATTR_FAMILY_ID);
}

void begin_generic(NetlinkBatch& batch, std::uint16_t family, std::uint8_t command,
                   std::uint8_t version) {
  genlmsghdr header{};
  header.cmd = command;
  header.version = version;
  batch.begin(family, 0, header);
}

bool take_generic_header(NetlinkBytes& payload, std::uint8_t command) {
  const auto header = take_header<genlmsghdr>(payload);
  return header && header->cmd == command;
}

}  // namespace flannel
