// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/xfrm_messages.h"

#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "net/socket_address.h"

namespace flannel {
namespace {

using Action = IpsecPolicy::Action;
using Direction = IpsecPolicy::Direction;

constexpr std::uint8_t number_of(Direction direction) {
  switch (direction) {
    case Direction::in:
      return XFRM_POLICY_IN;
    case Direction::out:
      return XFRM_POLICY_OUT;
    case Direction::forward:
      return XFRM_POLICY_FWD;
  }
  return XFRM_POLICY_OUT;
}

std::optional<Direction> direction_of(std::uint8_t number) {
  for (const Direction one : {Direction::in, Direction::out, Direction::forward}) {
    if (number_of(one) == number) return one;
  }
  return std::nullopt;
}

xfrm_address_t raw(const IpAddress& ip) {
  xfrm_address_t address{};
  std::ranges::copy(ip.octets(), reinterpret_cast<std::uint8_t*>(&address));
  return address;
}

NetlinkBytes bytes_of(const xfrm_address_t& address, Family family) {
  return std::as_bytes(std::span(&address, 1)).first(family == Family::v4 ? 4 : 16);
}

xfrm_selector selector_of(const IpsecPolicy& policy) {
  xfrm_selector selector{};
  selector.family = static_cast<std::uint16_t>(socket_family(policy.to.family()));
  selector.saddr = raw(policy.from.base);
  selector.daddr = raw(policy.to.base);
  selector.prefixlen_s = policy.from.bits;
  selector.prefixlen_d = policy.to.bits;
  return selector;
}

xfrm_userpolicy_id id_of(const IpsecPolicy& policy) {
  xfrm_userpolicy_id id{};
  id.sel = selector_of(policy);
  id.dir = number_of(policy.direction);
  return id;
}

void begin_write(NetlinkBatch& batch, std::uint16_t type, const IpsecPolicy& policy) {
  xfrm_userpolicy_info info{};
  info.sel = selector_of(policy);
  info.dir = number_of(policy.direction);
  info.action = policy.action == Action::block ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
  info.priority = priority_of(policy.action);
  for (auto* limit : {&info.lft.soft_byte_limit, &info.lft.hard_byte_limit,
                      &info.lft.soft_packet_limit, &info.lft.hard_packet_limit}) {
    *limit = XFRM_INF;
  }
  batch.begin(type, 0, info);
  if (policy.action != Action::tunnel) return;
  xfrm_user_tmpl tunnel{};
  tunnel.id.daddr = raw(policy.outer_to);
  tunnel.id.proto = IPPROTO_ESP;
  tunnel.saddr = raw(policy.outer_from);
  tunnel.family = static_cast<std::uint16_t>(socket_family(policy.outer_to.family));
  tunnel.reqid = kIpsecReqid;
  tunnel.mode = XFRM_MODE_TUNNEL;
  tunnel.aalgos = tunnel.ealgos = tunnel.calgos = ~std::uint32_t{0};  // any
  batch.put_bytes(XFRMA_TMPL, std::as_bytes(std::span(&tunnel, 1)));
}

std::optional<Family> family_of(std::uint16_t number) {
  if (number == AF_INET) return Family::v4;
  if (number == AF_INET6) return Family::v6;
  return std::nullopt;
}

// nullopt: it has bits beyond its length.
std::optional<IpPrefix> prefix_of(const xfrm_address_t& address, std::uint8_t bits, Family family) {
  const auto ip = decode_ip(bytes_of(address, family), family);
  if (!ip || bits > address_bits(family)) return std::nullopt;
  const IpPrefix prefix = IpPrefix::of(*ip, bits);
  return prefix.base == *ip ? std::optional(prefix) : std::nullopt;
}

std::optional<std::pair<IpPrefix, IpPrefix>> prefixes_of(const xfrm_selector& selector) {
  const auto family = family_of(selector.family);
  if (!family) return std::nullopt;
  const auto from = prefix_of(selector.saddr, selector.prefixlen_s, *family);
  const auto to = prefix_of(selector.daddr, selector.prefixlen_d, *family);
  if (!from || !to) return std::nullopt;
  return std::pair{*from, *to};
}

bool is_for_all_packets(const xfrm_selector& selector) {
  return selector.dport_mask == 0 && selector.sport_mask == 0 && selector.proto == 0 &&
         selector.ifindex == 0;
}

// Such a policy is for some packets only, or is one of the other list that the kernel has.
bool is_special(const NetlinkAttributes<XFRMA_MAX>& attributes) {
  NetlinkBytes type = attributes.at(XFRMA_POLICY_TYPE);
  const auto given = take_header<xfrm_userpolicy_type>(type);
  return attributes.has(XFRMA_MARK) || attributes.has(XFRMA_IF_ID) ||
         attributes.has(XFRMA_SEC_CTX) || (given && given->type != XFRM_POLICY_TYPE_MAIN);
}

bool add_tunnel(NetlinkBytes templates, IpsecPolicy& policy) {
  if (templates.size() != sizeof(xfrm_user_tmpl)) return false;
  const auto tunnel = take_header<xfrm_user_tmpl>(templates);
  const auto family = family_of(tunnel->family);
  const bool is_ours = family && tunnel->id.proto == IPPROTO_ESP && tunnel->id.spi == 0 &&
                       tunnel->reqid == kIpsecReqid && tunnel->mode == XFRM_MODE_TUNNEL &&
                       tunnel->optional == 0;
  if (!is_ours) return false;
  policy.action = Action::tunnel;
  policy.outer_from = decode_ip(bytes_of(tunnel->saddr, *family), *family).value();
  policy.outer_to = decode_ip(bytes_of(tunnel->id.daddr, *family), *family).value();
  return true;
}

}  // namespace

void dump_policies(NetlinkBatch& batch) {
  batch.begin(XFRM_MSG_GETPOLICY, 0, xfrm_userpolicy_id{});
}

void get_policy(NetlinkBatch& batch, const IpsecPolicy& policy) {
  batch.begin(XFRM_MSG_GETPOLICY, 0, id_of(policy));
}

void add_policy(NetlinkBatch& batch, const IpsecPolicy& policy) {
  begin_write(batch, XFRM_MSG_NEWPOLICY, policy);
}

void replace_policy(NetlinkBatch& batch, const IpsecPolicy& policy) {
  begin_write(batch, XFRM_MSG_UPDPOLICY, policy);
}

void delete_policy(NetlinkBatch& batch, const IpsecPolicy& policy) {
  batch.begin(XFRM_MSG_DELPOLICY, 0, id_of(policy));
}

std::optional<IpsecPolicy> decode_policy(NetlinkBytes payload) {
  const auto info = take_header<xfrm_userpolicy_info>(payload);
  if (!info || !is_for_all_packets(info->sel)) return std::nullopt;
  const auto prefixes = prefixes_of(info->sel);
  const auto direction = direction_of(info->dir);
  const NetlinkAttributes<XFRMA_MAX> attributes(payload);
  if (!prefixes || !direction || is_special(attributes)) return std::nullopt;
  IpsecPolicy policy{.direction = *direction, .from = prefixes->first, .to = prefixes->second};
  const bool is_block = info->action == XFRM_POLICY_BLOCK;
  if (attributes.at(XFRMA_TMPL).empty()) {
    policy.action = is_block ? Action::block : Action::pass;
  } else if (is_block || !add_tunnel(attributes.at(XFRMA_TMPL), policy)) {
    return std::nullopt;
  }
  if (info->priority != priority_of(policy.action)) return std::nullopt;
  return policy;
}

// All messages about a policy begin with its selector; it is zero for one deleted by its number.
std::optional<std::pair<IpPrefix, IpPrefix>> decode_changed_policy(NetlinkBytes payload) {
  const auto selector = take_header<xfrm_selector>(payload);
  return selector ? prefixes_of(*selector) : std::nullopt;
}

}  // namespace flannel
