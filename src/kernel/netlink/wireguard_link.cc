// SPDX-License-Identifier: Apache-2.0
// WireGuard devices. Their settings are in a netlink family of their own (wireguard_messages.h), so
// that here a device has none.
#include <fmt/format.h>

#include "kernel/netlink/link_kind.h"

namespace flannel {
namespace {

std::optional<LinkSettings> decode_wireguard(NetlinkBytes, LinkRow&) {
  return WireguardSettings{};
}

bool has_wireguard_name(std::string_view name, const LinkSettings&) {
  return name == kWireguardDevice || name == kWireguardDevice6;
}

void put_nothing(NetlinkBatch&, const LinkSettings&, int) {}

// The device opens its port when it is set up.
std::string why_not_listening(const Link& link, std::span<const LinkRow>) {
  return wireguard_port_in_use(std::get<WireguardSettings>(link.kind).port);
}

}  // namespace

std::string wireguard_port_in_use(std::uint16_t port) {
  return fmt::format(
      "UDP port {0} is in use: end what uses it (ss -lunp sport = :{0}, or another WireGuard "
      "device, wg show all), or give the backend's ListenPort another number",
      port);
}

const LinkKind kWireguardLink = {.name = "wireguard",
                                 .backend = "wireguard",
                                 .decode = decode_wireguard,
                                 .is_our_name = has_wireguard_name,
                                 .put_new = put_nothing,
                                 .why_not_up = why_not_listening};

}  // namespace flannel
