// SPDX-License-Identifier: Apache-2.0
#include "filter/firewall.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace flannel {
namespace {

struct Territory {
  IpPrefix network, subnet;
};

// What the host has of this family; nullopt: nothing.
std::optional<Territory> territory(const NetworkConfig& config, const SubnetKey& own,
                                   Family family) {
  const auto& range = config.at(family);
  const auto& subnet = own.at(family);
  if (!range || !subnet) return std::nullopt;
  return Territory{range->network, *subnet};
}

std::vector<IpPrefix> of_family(std::vector<IpPrefix> networks, Family family) {
  std::erase_if(networks, [family](const IpPrefix& one) { return one.family() != family; });
  return networks;
}

}  // namespace

// Most networks have IPv4, and its part prepares itself while the store is asked.
Firewall::Firewall(FirewallOptions options, Parts parts)
    : options_(options), parts_(std::move(parts)) {
  of(Family::v4);
}

FamilyFirewall& Firewall::of(Family family) {
  const auto found = families_.find(family);
  if (found != families_.end()) return found->second;
  FamilyFirewall& made = families_
                             .try_emplace(family, options_, family,
                                          FamilyFirewall::Parts{.filter = parts_.filter(family),
                                                                .changes = parts_.changes(family),
                                                                .loop = parts_.loop,
                                                                .iptables = parts_.iptables,
                                                                .on_state = parts_.on_state})
                             .first->second;
  made.separate(of_family(strangers_, family));
  made.admit(of_family(ingress_, family));
  return made;
}

void Firewall::want(const NetworkConfig& config, const SubnetKey& own,
                    std::span<const IpPrefix> earlier) {
  wanted_.clear();
  for (const Family family : kFamilies) {
    if (territory(config, own, family)) wanted_.push_back(family);
  }
  // IPv6 first: its table takes the place of upstream's, which the part for IPv4 removes too.
  for (const Family family : {Family::v6, Family::v4}) {
    if (const auto has = territory(config, own, family)) {
      of(family).want(has->network, has->subnet, config.enable_nftables);
      continue;
    }
    const auto left = std::ranges::find(earlier, family, &IpPrefix::family);
    if (left != earlier.end()) of(family).leave(*left);
  }
}

void Firewall::set_rules(const RuleOptions& rules) {
  options_.rules = rules;
  for (auto& [family, part] : families_)
    part.set_rules(rules);
}

void Firewall::separate(const std::vector<IpPrefix>& strangers) {
  if (strangers_ == strangers) return;
  strangers_ = strangers;
  for (auto& [family, part] : families_)
    part.separate(of_family(strangers, family));
}

void Firewall::admit(const OverlayIngress& ingress) {
  ingress_ = ingress;
  for (auto& [family, part] : families_)
    part.admit(of_family(ingress, family));
}

void Firewall::leave() {
  for (auto& [family, part] : families_)
    part.leave();
}

bool Firewall::has_left() const {
  return std::ranges::all_of(families_, [](const auto& one) { return one.second.has_left(); });
}

bool Firewall::in_place() const {
  if (!options_.rules.masquerade && strangers_.empty()) return true;
  const auto stands = [&](Family family) {
    const FamilyFirewall& part = families_.at(family);
    const bool may_fail = family != wanted_.front();
    return part.in_place() || (may_fail && !part.failure().empty());
  };
  return !wanted_.empty() && std::ranges::all_of(wanted_, stands);
}

std::vector<Problem> Firewall::problems() const {
  std::vector<Problem> all;
  for (const auto& [family, part] : families_)
    std::ranges::move(part.problems(), std::back_inserter(all));
  return all;
}

}  // namespace flannel
