// SPDX-License-Identifier: Apache-2.0
// IPIP devices without a remote address: the gateway of a packet's route is where it is sent.
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <netinet/in.h>

#include "kernel/netlink/link_kind.h"
#include "plan/ipip_device.h"

namespace flannel {
namespace {

const IpipSettings& ipip_of(const LinkSettings& settings) {
  return std::get<IpipSettings>(settings);
}

std::optional<LinkSettings> decode_ipip(NetlinkBytes bytes, LinkRow& row) {
  const NetlinkAttributes<IFLA_IPTUN_MAX> data(bytes);
  const auto has = [&data](std::size_t type) {
    return data.number<std::uint8_t>(type).value_or(0) != 0;
  };
  // Both carry IPv4. Upstream's later releases make devices with 0, "any".
  const auto protocol = data.number<std::uint8_t>(IFLA_IPTUN_PROTO).value_or(IPPROTO_IPIP);
  row.external = data.has(IFLA_IPTUN_COLLECT_METADATA);
  IpipSettings ipip;
  ipip.local = data.ip(IFLA_IPTUN_LOCAL, Family::v4).value_or(IpAddress{});
  ipip.remote = data.ip(IFLA_IPTUN_REMOTE, Family::v4).value_or(IpAddress{});
  ipip.plain = !has(IFLA_IPTUN_TTL) && !has(IFLA_IPTUN_TOS) && !has(IFLA_IPTUN_PMTUDISC) &&
               !row.external && (protocol == 0 || protocol == IPPROTO_IPIP) &&
               data.number<std::uint32_t>(IFLA_IPTUN_LINK).value_or(0) == 0 &&
               data.number<std::uint32_t>(IFLA_IPTUN_FWMARK).value_or(0) == 0 &&
               data.number<std::uint16_t>(IFLA_IPTUN_ENCAP_TYPE).value_or(0) == 0;
  return ipip;
}

bool has_ipip_name(std::string_view name, const LinkSettings&) {
  return name == kIpipDevice;
}

// The kernel takes an absent attribute for 0, except that of path MTU discovery, which it takes for
// on. With that off it copies the inner packet's DF.
void put_ipip(NetlinkBatch& batch, const LinkSettings& settings, int) {
  batch.put(IFLA_IPTUN_LOCAL, ipip_of(settings).local);
  batch.put(IFLA_IPTUN_PMTUDISC, std::uint8_t{0});
}

bool has_ipip_changes(const LinkSettings& want, const LinkSettings& have) {
  return ipip_of(want).local != ipip_of(have).local;
}

// The kernel has one device for each pair of a local and a remote address.
std::string ipip_holder(const Link& link, std::span<const LinkRow> others) {
  const IpipSettings& ours = ipip_of(link.kind);
  for (const LinkRow& row : others) {
    if (!row.settings || row.name == link.name) continue;
    const auto* other = std::get_if<IpipSettings>(&*row.settings);
    if (!other || other->local != ours.local || other->remote != ours.remote) continue;
    return fmt::format(
        "; {} is an ipip device with the same local address: delete it (ip link "
        "delete {})",
        row.name, row.name);
  }
  return {};
}

}  // namespace

const LinkKind kIpipLink = {.name = "ipip",
                            .backend = "ipip",
                            .decode = decode_ipip,
                            .is_our_name = has_ipip_name,
                            .put_new = put_ipip,
                            .put_changeable = put_ipip,
                            .has_changeable = has_ipip_changes,
                            .why_not_created = ipip_holder};

}  // namespace flannel
