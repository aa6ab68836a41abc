// SPDX-License-Identifier: Apache-2.0
#include "filter/forward_chains.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "base/log.h"
#include "filter/netfilter_socket.h"
#include "kernel/netlink/netlink_socket.h"

namespace flannel {
namespace {

struct BaseChain {
  std::uint8_t family = 0;
  std::string table;
  std::string chain;
  bool drops = false;  // its policy is drop
};

std::uint8_t number_of(Family family) {
  return family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

// "ip mine"
std::string table_of(const BaseChain& chain) {
  const char* const word = chain.family == NFPROTO_INET   ? "inet "
                           : chain.family == NFPROTO_IPV4 ? "ip "
                                                          : "ip6 ";
  return word + chain.table;
}

// nullopt for any chain that does not see forwarded packets of this family.
std::optional<BaseChain> decode_forward_chain(const NetlinkMessage& message, Family family) {
  NetlinkBytes payload = message.payload;
  const auto header = take_header<nfgenmsg>(payload);
  if (message.type != nft_message_type(NFT_MSG_NEWCHAIN) || !header) return std::nullopt;
  const NetlinkAttributes<NFTA_CHAIN_MAX> attributes(payload);
  if (!attributes.has(NFTA_CHAIN_HOOK)) return std::nullopt;
  const NetlinkAttributes<NFTA_HOOK_MAX> hook(attributes.at(NFTA_CHAIN_HOOK));
  const bool is_forward =
      hook.number<std::uint32_t>(NFTA_HOOK_HOOKNUM) == htonl(NF_INET_FORWARD) &&
      (header->nfgen_family == number_of(family) || header->nfgen_family == NFPROTO_INET);
  if (!is_forward) return std::nullopt;
  return BaseChain{.family = header->nfgen_family,
                   .table = std::string(attributes.text(NFTA_CHAIN_TABLE)),
                   .chain = std::string(attributes.text(NFTA_CHAIN_NAME)),
                   .drops = attributes.number<std::uint32_t>(NFTA_CHAIN_POLICY) == htonl(NF_DROP)};
}

// True for tables in which flannel has accepts of its own.
bool is_left_to_us(const BaseChain& chain) {
  return (chain.family != NFPROTO_INET && chain.table == "filter") ||
         chain.table.starts_with("flannel");
}

// The rules of one chain, or of the whole table.
Result<NetlinkReply> ask_for_rules(NetlinkSocket& netfilter, const BaseChain& chain,
                                   bool whole_table) {
  NetlinkBatch request;
  request.begin(nft_message_type(NFT_MSG_GETRULE), 0, nfgenmsg{chain.family, NFNETLINK_V0, 0});
  request.put(NFTA_RULE_TABLE, chain.table);
  if (!whole_table) request.put(NFTA_RULE_CHAIN, chain.chain);
  return netfilter.dump(request);
}

bool is_dropping_verdict(NetlinkBytes data) {
  const NetlinkAttributes<NFTA_IMMEDIATE_MAX> immediate(data);
  const NetlinkAttributes<NFTA_DATA_MAX> value(immediate.at(NFTA_IMMEDIATE_DATA));
  const NetlinkAttributes<NFTA_VERDICT_MAX> verdict(value.at(NFTA_DATA_VERDICT));
  return verdict.number<std::uint32_t>(NFTA_VERDICT_CODE) == htonl(NF_DROP);
}

// True for a rule without a condition that refuses; it may count and log.
bool refuses_all(const NetlinkMessage& message) {
  NetlinkBytes payload = message.payload;
  if (!take_header<nfgenmsg>(payload)) return false;
  const NetlinkAttributes<NFTA_RULE_MAX> attributes(payload);
  NetlinkBytes list = attributes.at(NFTA_RULE_EXPRESSIONS);
  while (list.size() >= sizeof(nlattr)) {
    nlattr head;
    std::memcpy(&head, list.data(), sizeof head);
    if (head.nla_len < sizeof head || head.nla_len > list.size()) return false;
    const NetlinkAttributes<NFTA_EXPR_MAX> expression(
        list.subspan(sizeof head, head.nla_len - sizeof head));
    const std::string_view name = expression.text(NFTA_EXPR_NAME);
    if (name == "reject") return true;
    if (name == "immediate") return is_dropping_verdict(expression.at(NFTA_EXPR_DATA));
    if (name != "counter" && name != "log") return false;
    list = list.subspan(std::min<std::size_t>(NLA_ALIGN(head.nla_len), list.size()));
  }
  return false;
}

Result<bool> ends_by_refusing(NetlinkSocket& netfilter, const BaseChain& chain) {
  if (chain.drops) return true;
  const NetlinkReply reply = TRY(ask_for_rules(netfilter, chain, false));
  NetlinkReader messages = reply.messages();
  bool refuses = false;
  while (const auto message = messages.next())
    refuses = refuses_all(*message);
  return refuses;
}

bool has(NetlinkBytes where, std::string_view what) {
  const std::string_view text(reinterpret_cast<const char*>(where.data()), where.size());
  return text.find(what) != std::string_view::npos;
}

// A rule compares with a network in one of two ways: with all bytes and a mask, or, if the mask
// ends with a byte, with the bytes before its end. These are so few that they are searched for
// together with their header.
bool names(NetlinkBytes rule, const IpPrefix& network) {
  const auto octets = network.base.octets();
  const std::string whole(octets.begin(), octets.end());
  if (has(rule, whole)) return true;
  if (network.bits % 8 != 0) return false;
  const std::size_t size = network.bits / 8;
  const nlattr head{static_cast<std::uint16_t>(sizeof(nlattr) + size), NFTA_DATA_VALUE};
  return has(
      rule, std::string(reinterpret_cast<const char*>(&head), sizeof head) + whole.substr(0, size));
}

Result<bool> has_thought_of_us(NetlinkSocket& netfilter, const BaseChain& chain,
                               const HostQuery& query) {
  const NetlinkReply reply = TRY(ask_for_rules(netfilter, chain, true));
  NetlinkReader messages = reply.messages();
  while (const auto message = messages.next()) {
    NetlinkBytes payload = message->payload;
    if (!take_header<nfgenmsg>(payload)) continue;
    const NetlinkAttributes<NFTA_RULE_MAX> attributes(payload);
    const NetlinkBytes rule = attributes.at(NFTA_RULE_EXPRESSIONS);
    if (names(rule, query.network)) return true;
    for (const std::string& device : query.devices) {
      if (has(rule, device + '\0')) return true;
    }
  }
  return false;
}

Result<std::vector<ForwardChain>> read_refusing_chains(const HostQuery& query) {
  NetlinkSocket netfilter = TRY(open_netfilter());
  NetlinkBatch request;
  request.begin(nft_message_type(NFT_MSG_GETCHAIN), 0, nfgenmsg{NFPROTO_UNSPEC, NFNETLINK_V0, 0});
  auto dumped = netfilter.dump(request);
  if (!dumped && dumped.error().kind == ErrorKind::invalid) {
    return fail(ErrorKind::unsupported, "this kernel has no nftables");
  }
  const NetlinkReply reply = TRY_DURING(std::move(dumped), "list the chains of nftables");
  std::vector<ForwardChain> refusing;
  NetlinkReader messages = reply.messages();
  while (const auto message = messages.next()) {
    const auto chain = decode_forward_chain(*message, query.network.family());
    if (!chain || is_left_to_us(*chain)) continue;
    const std::string table = table_of(*chain);
    if (!TRY_DURING(ends_by_refusing(netfilter, *chain), "list rules of " + table)) continue;
    if (TRY_DURING(has_thought_of_us(netfilter, *chain, query), "list rules of " + table)) continue;
    refusing.push_back({table, chain->chain});
  }
  return refusing;
}

}  // namespace

std::vector<ForwardChain> refusing_forward_chains(const HostQuery& query) {
  auto chains = read_refusing_chains(query);
  if (chains) return *std::move(chains);
  if (chains.error().kind != ErrorKind::unsupported) {
    log::verbose(1, "the chains of nftables cannot be read", {{"why", chains.error().text}});
  }
  return {};
}

}  // namespace flannel
