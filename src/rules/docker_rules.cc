// SPDX-License-Identifier: Apache-2.0
#include "rules/docker_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "rules/iptables_jump.h"
#include "rules/iptables_names.h"
#include "rules/rule_set.h"

namespace flannel {
namespace {

using Rules = std::vector<std::string>;

constexpr const char* kChain = "FLANNEL-DOCKER";
constexpr const char* kPostrouting = "POSTROUTING";
constexpr const char* kComment = "-m comment --comment \"flanneld docker\"";

const std::string& jump() {
  static const std::string text = fmt::format("{} -j {}", kComment, kChain);
  return text;
}

bool is_ours(std::string_view rule) {
  return rule.find(kComment) != std::string_view::npos;
}

// The network behind `option` ("-d ") if the rule begins with it, or has it after "-s NET ".
std::optional<IpPrefix> net_of(std::string_view rule, std::string_view option) {
  if (!rule.starts_with(option)) {
    if (!rule.starts_with("-s ")) return std::nullopt;
    rule.remove_prefix(3);
    rule.remove_prefix(std::min(rule.size(), rule.find(' ') + 1));
    if (!rule.starts_with(option)) return std::nullopt;
  }
  rule.remove_prefix(option.size());
  const auto net = IpPrefix::parse(rule.substr(0, rule.find(' ')));
  return net ? std::optional(*net) : std::nullopt;
}

bool is_inside(const IpPrefix& outer, const std::optional<IpPrefix>& inner) {
  return inner && outer.contains(*inner);
}

// "-d 10.5.1.2/32 ! -i docker0 -j DROP": only the container's own bridge may reach it.
bool is_raw_drop(std::string_view rule, const IpPrefix& subnet) {
  return rule.find(" ! -i ") != std::string_view::npos && rule.ends_with(" -j DROP") &&
         is_inside(subnet, net_of(rule, "-d "));
}

// "-s 10.5.1.0/24 ! -o docker0 -j MASQUERADE": Docker's --ip-masq.
bool is_masquerade(std::string_view rule, const IpPrefix& subnet) {
  return rule.find(" ! -o ") != std::string_view::npos && rule.ends_with(" -j MASQUERADE") &&
         is_inside(subnet, net_of(rule, "-s "));
}

Rules accepts(const DockerWish& wish) {
  Rules rules;
  auto accept = [&](const IpPrefix& from, const std::string& device) {
    if (!iptables_can_match(device)) return;
    rules.push_back(fmt::format("-s {} -d {} -i {} {} -j ACCEPT", to_string(from),
                                to_string(wish.subnet), device, kComment));
  };
  for (const IngressDevice& device : wish.ingress.devices)
    accept(wish.network, device.name);
  if (wish.ingress.neighbours.empty()) return rules;
  accept(wish.network, wish.ingress.underlay);
  // The peers' hosts, which send from their addresses on the underlay.
  for (const IpAddress& ip : wish.ingress.neighbours)
    accept({ip, address_bits(ip.family)}, wish.ingress.underlay);
  return rules;
}

// Gives our chain exactly the rules `wanted` for this network; rules of another flannel on this
// host stay in it.
std::string chain_lines(const IptablesTable& table, const IpPrefix& network, const Rules& wanted) {
  Rules own, others;
  for (const std::string& rule : table.in(kChain))
    (is_inside(network, net_of(rule, "-d ")) ? own : others).push_back(rule);
  if (own == wanted) return {};
  std::string lines = fmt::format(":{} - [0:0]\n", kChain);  // makes the chain, or empties it
  others.insert(others.end(), wanted.begin(), wanted.end());
  for (const std::string& rule : others)
    lines += fmt::format("-A {} {}\n", kChain, restorable(rule));
  return lines;
}

std::string remove_chain(const IptablesTable& table) {
  const std::string target = fmt::format("-j {}", kChain);
  std::string lines;
  for (const auto& [parent, rules] : table.rules)
    lines += delete_rules(parent, rules, [&](auto rule) { return rule.ends_with(target); });
  if (table.has(kChain)) lines += fmt::format("-F {0}\n-X {0}\n", kChain);
  return lines;
}

// Removes our rules for this network, and the chain unless another flannel has rules in it.
std::string leave_chain(const IptablesTable& table, const IpPrefix& network) {
  const Rules& rules = table.in(kChain);
  const bool shared = std::ranges::any_of(
      rules, [&](const std::string& rule) { return !is_inside(network, net_of(rule, "-d ")); });
  return shared ? chain_lines(table, network, {}) : remove_chain(table);
}

// True for a rule of ours for that network.
bool is_nat_accept(std::string_view rule, const IpPrefix& network) {
  return is_ours(rule) && is_inside(network, net_of(rule, "-s "));
}

std::string leave_nat(const IptablesTable& nat, const IpPrefix& network) {
  return delete_rules(kPostrouting, nat.in(kPostrouting),
                      [&](auto rule) { return is_nat_accept(rule, network); });
}

// Docker 28 appends its drops when a container starts. Our rules must come before them, so it is
// better to be there first than to move later.
std::string raw_lines(const DockerWish& wish, const IptablesTables& have, const Rules& wanted) {
  const Rules& rules = have.raw.in("PREROUTING");
  auto drops = [&](std::string_view rule) { return is_raw_drop(rule, wish.subnet); };
  const bool may_drop = have.filter.has("DOCKER-FORWARD") || std::ranges::any_of(rules, drops);
  if (!may_drop || wanted.empty()) return leave_chain(have.raw, wish.network);
  return chain_lines(have.raw, wish.network, wanted) +
         keep_ahead("PREROUTING", jump(), rules, drops);
}

// Our jump comes after the operator's rules and before the RETURN at the end.
std::string filter_lines(const DockerWish& wish, const IptablesTable& filter, const Rules& wanted) {
  const std::string user = "DOCKER-USER";
  if (!filter.has(user) || wanted.empty()) return leave_chain(filter, wish.network);
  return chain_lines(filter, wish.network, wanted) +
         keep_ahead(user, jump(), filter.in(user),
                    [](std::string_view rule) { return rule == "-j RETURN"; });
}

std::string nat_lines(const DockerWish& wish, const IptablesTable& nat) {
  const Rules& rules = nat.in(kPostrouting);
  const std::string wanted = fmt::format("-s {} -d {} -m mark ! --mark {:#x}/{:#x} {} -j ACCEPT",
                                         to_string(wish.subnet), to_string(wish.network),
                                         kForeignMasqueradeMark, kForeignMasqueradeMark, kComment);
  auto masquerades = [&](std::string_view rule) { return is_masquerade(rule, wish.subnet); };
  if (std::ranges::none_of(rules, masquerades)) return leave_nat(nat, wish.network);
  auto is_stale = [&](std::string_view rule) {
    return is_nat_accept(rule, wish.network) && rule != wanted;
  };
  Rules rest = rules;
  std::erase_if(rest, is_stale);
  return delete_rules(kPostrouting, rules, is_stale) +
         keep_ahead(kPostrouting, wanted, std::move(rest), masquerades);
}

}  // namespace

OverlayIngress of_family(const OverlayIngress& ingress, Family family) {
  OverlayIngress part = ingress;
  std::erase_if(part.devices, [&](const IngressDevice& device) { return device.family != family; });
  std::erase_if(part.neighbours, [&](const IpAddress& ip) { return ip.family != family; });
  return part;
}

std::vector<std::string> unmatched(const OverlayIngress& ingress) {
  std::vector<std::string> names;
  for (const IngressDevice& device : ingress.devices)
    names.push_back(device.name);
  if (!ingress.neighbours.empty()) names.push_back(ingress.underlay);
  std::erase_if(names, [](const std::string& name) { return iptables_can_match(name); });
  return names;
}

IptablesTables parse_iptables_tables(std::string_view saved) {
  return {.nat = parse_iptables(saved, "nat"),
          .filter = parse_iptables(saved, "filter"),
          .raw = parse_iptables(saved, "raw"),
          .mangle = parse_iptables(saved, "mangle")};
}

std::string docker_change(const DockerWish& wish, const IptablesTables& have) {
  const Rules wanted = accepts(wish);
  return in_table("raw", raw_lines(wish, have, wanted)) +
         in_table("filter", filter_lines(wish, have.filter, wanted)) +
         in_table("nat", nat_lines(wish, have.nat));
}

std::string docker_removal(const IpPrefix& network, const IptablesTables& have) {
  return in_table("raw", leave_chain(have.raw, network)) +
         in_table("filter", leave_chain(have.filter, network)) +
         in_table("nat", leave_nat(have.nat, network));
}

std::string removal_of_network(const RuleSet& rules, std::string_view saved) {
  const IptablesTables have = parse_iptables_tables(saved);
  return nat_handover(rules, have.nat) + filter_handover(rules, have.filter) +
         mangle_handover(rules, have.mangle) + docker_removal(rules.network, have);
}

std::string removal_of_all(std::string_view saved) {
  const IptablesTables have = parse_iptables_tables(saved);
  return nat_removal(have.nat) + filter_removal(have.filter) + mangle_removal(have.mangle) +
         in_table("raw", remove_chain(have.raw)) + in_table("filter", remove_chain(have.filter)) +
         in_table("nat", delete_rules(kPostrouting, have.nat.in(kPostrouting), is_ours));
}

}  // namespace flannel
