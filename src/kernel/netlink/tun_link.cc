// SPDX-License-Identifier: Apache-2.0
// TUN devices: the packet path makes them by opening them.
#include <linux/if_link.h>
#include <linux/if_tun.h>

#include "base/parse.h"
#include "kernel/netlink/link_kind.h"

namespace flannel {
namespace {

std::optional<LinkSettings> decode_tun(NetlinkBytes data, LinkRow& row) {
  const NetlinkAttributes<IFLA_TUN_MAX> tun(data);
  if (tun.number<std::uint8_t>(IFLA_TUN_TYPE) != IFF_TUN) return std::nullopt;
  return TunSettings{row.queue_len};
}

// "flannel7".
bool has_tun_name(std::string_view name, const LinkSettings&) {
  constexpr std::string_view kPrefix = "flannel";
  return name.starts_with(kPrefix) &&
         parse_decimal<std::uint32_t>(name.substr(kPrefix.size())).has_value();
}

std::uint32_t tun_queue_len(const LinkSettings& settings) {
  return std::get<TunSettings>(settings).queue_len;
}

}  // namespace

const LinkKind kTunLink = {.name = "tun",
                           .backend = "udp",
                           .decode = decode_tun,
                           .is_our_name = has_tun_name,
                           .queue_len = tun_queue_len};

}  // namespace flannel
