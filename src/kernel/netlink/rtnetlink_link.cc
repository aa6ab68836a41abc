// SPDX-License-Identifier: Apache-2.0
// Requests and decoders for devices and their addresses.
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink/link_kind.h"
#include "kernel/netlink/rtnetlink.h"
#include "net/socket_address.h"

namespace flannel {
namespace {

ifinfomsg link_header(int index) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  return header;
}

ifaddrmsg address_header(int link, std::uint8_t family) {
  ifaddrmsg header{};
  header.ifa_family = family;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  header.ifa_index = static_cast<std::uint32_t>(link);
  return header;
}

void decode_link_info(NetlinkBytes bytes, LinkRow& row) {
  const NetlinkAttributes<IFLA_INFO_MAX> info(bytes);
  row.kind = info.text(IFLA_INFO_KIND);
  const LinkKind* kind = kind_named(row.kind);
  if (kind) row.settings = kind->decode(info.at(IFLA_INFO_DATA), row);
}

// The settings of a device are 32-bit numbers, the first of which is number 1.
std::uint32_t decode_rp_filter(NetlinkBytes families) {
  const NetlinkAttributes<AF_INET> by_family(families);
  const NetlinkAttributes<IFLA_INET_CONF> v4(by_family.at(AF_INET));
  constexpr std::size_t kAt = sizeof(std::uint32_t) * (IPV4_DEVCONF_RP_FILTER - 1);
  NetlinkBytes settings = v4.at(IFLA_INET_CONF);
  if (settings.size() < kAt) return 0;
  settings = settings.subspan(kAt);
  return take_header<std::uint32_t>(settings).value_or(0);
}

}  // namespace

std::optional<LinkRow> decode_link(NetlinkBytes payload) {
  const auto header = take_header<ifinfomsg>(payload);
  if (!header || header->ifi_family != AF_UNSPEC || header->ifi_index <= 0) return std::nullopt;
  const NetlinkAttributes<IFLA_AF_SPEC> attributes(payload);
  static_assert(IFLA_LINKINFO < IFLA_AF_SPEC && IFLA_TXQLEN < IFLA_AF_SPEC);
  LinkRow row;
  row.index = header->ifi_index;
  row.name = attributes.text(IFLA_IFNAME);
  if (row.name.empty()) return std::nullopt;
  row.mtu = attributes.number<std::uint32_t>(IFLA_MTU).value_or(0);
  row.queue_len = attributes.number<std::uint32_t>(IFLA_TXQLEN).value_or(0);
  row.up = (header->ifi_flags & IFF_UP) != 0;
  row.carrier = (header->ifi_flags & IFF_LOWER_UP) != 0;
  row.mac = attributes.mac(IFLA_ADDRESS).value_or(Mac{});
  row.bridge = attributes.number<std::int32_t>(IFLA_MASTER).value_or(0);
  row.rp_filter = decode_rp_filter(attributes.at(IFLA_AF_SPEC));
  decode_link_info(attributes.at(IFLA_LINKINFO), row);
  return row;
}

void create_link(NetlinkBatch& batch, const Link& link, int lower) {
  const LinkKind& kind = kind_of(link.kind);
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_header(0));
  batch.put(IFLA_IFNAME, link.name);
  if (const auto mac = mac_of(link.kind); mac && !mac->is_zero()) batch.put(IFLA_ADDRESS, *mac);
  if (link.mtu != 0) batch.put(IFLA_MTU, link.mtu);
  batch.put(IFLA_TXQLEN, std::uint32_t{0});
  batch.nest(IFLA_LINKINFO, [&] {
    batch.put(IFLA_INFO_KIND, kind.name);
    batch.nest(IFLA_INFO_DATA, [&] { kind.put_new(batch, link.kind, lower); });
  });
}

void change_link(NetlinkBatch& batch, int index, const LinkChange& change) {
  ifinfomsg header = link_header(index);
  if (change.up) {
    header.ifi_change = IFF_UP;
    header.ifi_flags = *change.up ? IFF_UP : 0;
  }
  batch.begin(RTM_NEWLINK, 0, header);
  if (change.mac) batch.put(IFLA_ADDRESS, *change.mac);
  if (change.mtu) batch.put(IFLA_MTU, *change.mtu);
  if (change.queue_len) batch.put(IFLA_TXQLEN, *change.queue_len);
  if (!change.rp_filter) return;
  // Unlike a write to /proc/sys, this works where that is read-only.
  batch.nest(IFLA_AF_SPEC, [&] {
    batch.nest(AF_INET, [&] {
      batch.nest(IFLA_INET_CONF, [&] { batch.put(IPV4_DEVCONF_RP_FILTER, *change.rp_filter); });
    });
  });
}

void change_link_settings(NetlinkBatch& batch, int index, const LinkSettings& settings, int lower) {
  const LinkKind& kind = kind_of(settings);
  batch.begin(RTM_NEWLINK, 0, link_header(index));
  batch.nest(IFLA_LINKINFO, [&] {
    batch.put(IFLA_INFO_KIND, kind.name);
    batch.nest(IFLA_INFO_DATA, [&] { kind.put_changeable(batch, settings, lower); });
  });
}

void delete_link(NetlinkBatch& batch, int index) {
  batch.begin(RTM_DELLINK, 0, link_header(index));
}

void get_link(NetlinkBatch& batch, const std::string& name) {
  batch.begin(RTM_GETLINK, 0, link_header(0));
  batch.put(IFLA_IFNAME, name);
  batch.put(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
}

void get_link(NetlinkBatch& batch, int index) {
  batch.begin(RTM_GETLINK, 0, link_header(index));
  batch.put(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
}

void dump_links(NetlinkBatch& batch) {
  batch.begin(RTM_GETLINK, 0, link_header(0));
  batch.put(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
}

void dump_ports(NetlinkBatch& batch, int bridge) {
  dump_links(batch);
  batch.put(IFLA_MASTER, static_cast<std::uint32_t>(bridge));
}

std::optional<AddressRow> decode_address(NetlinkBytes payload) {
  const auto header = take_header<ifaddrmsg>(payload);
  if (!header) return std::nullopt;
  const auto family = decode_family(header->ifa_family);
  if (!family || header->ifa_prefixlen > address_bits(*family)) return std::nullopt;
  const NetlinkAttributes<IFA_FLAGS> attributes(payload);
  // IFA_ADDRESS is the peer of a point-to-point link; on other links it is the address itself.
  auto ip = attributes.ip(IFA_LOCAL, *family);
  if (!ip) ip = attributes.ip(IFA_ADDRESS, *family);
  if (!ip) return std::nullopt;
  AddressRow row;
  row.link = static_cast<int>(header->ifa_index);
  row.ip = *ip;
  row.bits = header->ifa_prefixlen;
  row.flags = attributes.number<std::uint32_t>(IFA_FLAGS).value_or(header->ifa_flags);
  return row;
}

void put_address(NetlinkBatch& batch, int link, const Address& address) {
  ifaddrmsg header = address_header(link, socket_family(address.ip.family));
  header.ifa_prefixlen = address.bits;
  batch.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, header);
  batch.put(IFA_LOCAL, address.ip);
  batch.put(IFA_ADDRESS, address.ip);
  // No other host has an address of ours, and the test for it would delay the first packets.
  if (address.ip.is_v6()) batch.put(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
}

void delete_address(NetlinkBatch& batch, int link, const Address& address) {
  ifaddrmsg header = address_header(link, socket_family(address.ip.family));
  header.ifa_prefixlen = address.bits;
  batch.begin(RTM_DELADDR, 0, header);
  batch.put(IFA_LOCAL, address.ip);
}

void dump_addresses(NetlinkBatch& batch, int link) {
  batch.begin(RTM_GETADDR, 0, address_header(link, AF_UNSPEC));
}

}  // namespace flannel
