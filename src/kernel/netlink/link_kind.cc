// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/link_kind.h"

#include <array>
#include <variant>

namespace flannel {
namespace {

const LinkKind& table_of(const VxlanSettings&) {
  return kVxlanLink;
}
const LinkKind& table_of(const TunSettings&) {
  return kTunLink;
}
const LinkKind& table_of(const IpipSettings&) {
  return kIpipLink;
}

const LinkKind& table_of(const WireguardSettings&) {
  return kWireguardLink;
}

template <typename... Kinds>
std::array<const LinkKind*, sizeof...(Kinds)> all_tables(const std::variant<Kinds...>*) {
  return {&table_of(Kinds{})...};
}

}  // namespace

const LinkKind& kind_of(const LinkSettings& settings) {
  return std::visit([](const auto& kind) -> const LinkKind& { return table_of(kind); }, settings);
}

const LinkKind* kind_named(std::string_view name) {
  for (const LinkKind* kind : all_tables(static_cast<const LinkSettings*>(nullptr))) {
    if (kind->name == name) return kind;
  }
  return nullptr;
}

}  // namespace flannel
