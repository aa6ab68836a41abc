// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/devices.h"

#include <utility>

namespace flannel {
namespace {

Result<std::optional<LinkRow>> ask_link(NetlinkSocket& socket, NetlinkBatch& request) {
  auto row = ask_row(socket, request, decode_link);
  if (!row && row.error().kind == ErrorKind::not_found) return std::nullopt;
  return row;
}

}  // namespace

std::string kind_in_words(const LinkRow& row) {
  if (row.kind.empty()) return "a hardware device";
  return "a device of kind " + row.kind;
}

Result<const LinkRow*> Devices::find(const std::string& name) {
  auto at = by_name_.find(name);
  if (at == by_name_.end()) {
    NetlinkBatch request;
    get_link(request, name);
    auto row = TRY_DURING(ask_link(socket_, request), "look for device " + name);
    at = by_name_.emplace(name, std::move(row)).first;
  }
  return at->second ? &*at->second : nullptr;
}

Result<std::string> Devices::name_of(int index) {
  if (index == 0) return std::string();
  auto at = names_.find(index);
  if (at == names_.end()) {
    NetlinkBatch request;
    get_link(request, index);
    const auto row = TRY_DURING(ask_link(socket_, request), "look for a device by its index");
    at = names_.emplace(index, row ? row->name : std::string()).first;
  }
  return at->second;
}

Result<Link> Devices::as_link(const LinkRow& row) {
  Link link{.name = row.name, .kind = *row.settings, .mtu = row.mtu, .up = row.up};
  if (LowerDevice* lower = lower_of(link.kind)) lower->name = TRY(name_of(lower->index));
  return link;
}

}  // namespace flannel
