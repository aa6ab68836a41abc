// SPDX-License-Identifier: Apache-2.0
#include "rules/firewall_plan.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "rules/nft_text.h"

namespace flannel {
namespace {

void end_pass(FirewallView& view) {
  view.at = FirewallAct::end;
  if (view.iptables) view.iptables->saved = {};  // megabytes on some hosts
}

void fail_pass(FirewallView& view, Error error) {
  view.failure = std::move(error);
  end_pass(view);
}

// After a refused change: true if it is to be tried again without random ports.
bool retry_without_random_ports(FirewallView& view, const FirewallWish& wish, const Error& why) {
  const RuleSet rules = wanted_rules(view, wish);
  const bool asked_for = !rules.masquerade.empty() && rules.fully_random;
  if (view.host.random_ports == RandomPorts::wanted && asked_for) {
    view.host.random_ports = RandomPorts::trying_without;
    view.host.why_no_random_ports = why.text;
    return true;
  }
  if (view.host.random_ports == RandomPorts::trying_without)
    view.host.random_ports = RandomPorts::wanted;
  return false;
}

void confirm_random_ports(FirewallView& view) {
  if (view.host.random_ports == RandomPorts::trying_without)
    view.host.random_ports = RandomPorts::refused;
}

bool is_table_to_be_written(const FirewallView& view, const FirewallWish& wish) {
  if (view.host.kind == FirewallKind::undecided) return wish.mode != FirewallMode::iptables;
  return view.host.kind == FirewallKind::nftables && view.table != wanted_rules(view, wish);
}

std::string own_change(const FirewallView& view, const FirewallWish& wish,
                       const IptablesTables& have) {
  const RuleSet rules = wanted_rules(view, wish);
  const bool first = !is_done(view, wish);
  const auto moment = first ? IptablesMoment::start : IptablesMoment::resync;
  const bool in_use = view.host.kind == FirewallKind::iptables;
  const bool masquerades = in_use && !rules.masquerade.empty();
  const bool accepts = !rules.forward.empty() && (in_use || forward_may_drop(have.filter));
  std::string change;
  if (masquerades) change += nat_change(rules, have.nat, moment);
  if (!masquerades && first) change += nat_handover(rules, have.nat);
  if (accepts) change += filter_change(rules, have.filter, moment);
  if (!accepts && first) change += filter_handover(rules, have.filter);
  const bool separates = in_use && !rules.separate.empty();
  if (separates) change += mangle_change(rules, have.mangle, moment);
  if (!separates && first) change += mangle_handover(rules, have.mangle);
  return change;
}

std::string change_for_docker(const FirewallView& view, const FirewallWish& wish,
                              const IptablesTables& have) {
  const IpPrefix& network = wish.rules.network;
  if (wish.docker) return docker_change({network, wish.subnet, *wish.docker}, have);
  return is_done(view, wish) ? std::string() : docker_removal(network, have);
}

IptablesChange iptables_change(const FirewallView& view, const FirewallWish& wish) {
  const IptablesTables have = parse_iptables_tables(view.iptables->saved);
  return {own_change(view, wish, have), change_for_docker(view, wish, have)};
}

}  // namespace

FirewallStep next_step(const FirewallView& view, const FirewallWish& wish) {
  switch (view.at) {
    case FirewallAct::check_table:
      if (view.host.kind == FirewallKind::nftables && view.table == wanted_rules(view, wish)) {
        return {FirewallAct::check_table};
      }
      [[fallthrough]];
    case FirewallAct::write_table:
      if (is_table_to_be_written(view, wish)) return {FirewallAct::write_table};
      [[fallthrough]];
    case FirewallAct::find_places:
      if (view.host.kind == FirewallKind::nftables) return {FirewallAct::find_places};
      [[fallthrough]];
    case FirewallAct::read_iptables:
      return {places_to_read(view).any() ? FirewallAct::read_iptables : FirewallAct::clear_others};
    case FirewallAct::change_iptables:
      if (auto change = iptables_change(view, wish); !change.empty()) {
        return {FirewallAct::change_iptables, std::move(change)};
      }
      [[fallthrough]];
    case FirewallAct::remove_table:
      if (view.host.kind == FirewallKind::iptables && !is_done(view, wish)) {
        return {FirewallAct::remove_table};
      }
      [[fallthrough]];
    case FirewallAct::clear_others:
      return {FirewallAct::clear_others};
    case FirewallAct::end:
      break;
  }
  return {FirewallAct::end};
}

RuleSet wanted_rules(const FirewallView& view, const FirewallWish& wish) {
  RuleSet rules = wish.rules;
  rules.fully_random = rules.fully_random && view.host.random_ports == RandomPorts::wanted;
  return rules;
}

IptablesPlaces places_to_read(const FirewallView& view) {
  return view.host.kind == FirewallKind::nftables ? view.places : IptablesPlaces{true, true};
}

bool is_done(const FirewallView& view, const FirewallWish& wish) {
  return view.done && view.done->rules == wish.rules && view.done->subnet == wish.subnet;
}

void begin_pass(FirewallView& view, std::optional<std::uint64_t> legacy_sum) {
  view.at = FirewallAct::check_table;
  view.failure.reset();
  view.legacy_sum = legacy_sum;
}

void on_table_checked(FirewallView& view, const FirewallWish& wish, const Result<bool>& unchanged) {
  if (!unchanged) return fail_pass(view, unchanged.error());
  if (*unchanged) {
    view.in_force = wish.rules;
    view.at = FirewallAct::find_places;
  } else {
    view.table.reset();
    view.at = FirewallAct::write_table;
  }
}

void on_table_written(FirewallView& view, const FirewallWish& wish, const Result<void>& written) {
  if (written) {
    view.table = wanted_rules(view, wish);
    confirm_random_ports(view);
    view.host.kind = FirewallKind::nftables;
    view.host.why_no_nftables.clear();
    view.in_force = wish.rules;
    view.at = FirewallAct::find_places;
    return;
  }
  if (retry_without_random_ports(view, wish, written.error())) return;
  const bool may_be_iptables =
      view.host.kind == FirewallKind::undecided && wish.mode == FirewallMode::automatic;
  if (!may_be_iptables) return fail_pass(view, written.error());
  view.host.why_no_nftables = written.error().text;
  view.at = FirewallAct::find_places;
}

void on_places_found(FirewallView& view, const Result<IptablesPlaces>& places) {
  if (!places) return fail_pass(view, places.error());
  view.places = *places;
  if (view.host.unusable != view.places) view.host.unusable.reset();
  if (!view.places.any()) view.iptables.reset();
  view.at = FirewallAct::read_iptables;
}

void on_iptables_read(FirewallView& view, const FirewallWish& wish, Result<IptablesRules> read) {
  if (read) {
    view.iptables = *std::move(read);
    if (view.host.kind == FirewallKind::undecided) view.host.kind = FirewallKind::iptables;
    view.at = FirewallAct::change_iptables;
    return;
  }
  view.iptables.reset();
  Error error = std::move(read).error();
  const bool is_needed = view.host.kind != FirewallKind::nftables && !wish.is_for_nothing();
  if (is_needed || error.kind != ErrorKind::not_found) {
    if (!view.host.why_no_nftables.empty()) error.text += "; " + view.host.why_no_nftables;
    return fail_pass(view, std::move(error));
  }
  view.host.unusable = view.places;
  view.at = FirewallAct::clear_others;
}

void on_iptables_changed(FirewallView& view, const FirewallWish& wish,
                         const Result<void>& changed) {
  if (changed) {
    confirm_random_ports(view);
    view.at = FirewallAct::remove_table;
    return;
  }
  const bool may_be_ports = view.host.kind == FirewallKind::iptables;
  if (may_be_ports && retry_without_random_ports(view, wish, changed.error())) return;
  fail_pass(view, changed.error());
}

void on_table_removed(FirewallView& view) {
  view.at = FirewallAct::clear_others;
}

void on_others_cleared(FirewallView& view, const FirewallWish& wish) {
  view.in_force = wish.rules;
  view.done = wish;
  end_pass(view);
}

bool may_have_changed(const FirewallView& view, const FirewallWish& wish,
                      std::optional<std::uint64_t> legacy_sum) {
  if (view.failure || !is_done(view, wish)) return true;
  const bool uses_legacy = view.iptables && view.iptables->legacy;
  // With nftables, Docker may start to use iptables-legacy at any time.
  if (view.host.kind == FirewallKind::iptables && !uses_legacy) return false;
  return legacy_sum ? view.legacy_sum != legacy_sum : uses_legacy;
}

bool concerns_us(std::string_view table, std::string_view chain,
                 const std::optional<IpPrefix>& network) {
  using Names = std::initializer_list<std::string_view>;
  auto is_one_of = [&](Names names) {
    return chain.empty() || chain.starts_with("FLANNEL-") ||
           std::ranges::find(names, chain) != names.end();
  };
  if (table == "filter") return is_one_of({"FORWARD", "DOCKER-USER", "DOCKER-FORWARD"});
  if (table == "nat") return is_one_of({"POSTROUTING"});
  if (table == "mangle") return is_one_of({"FORWARD"});
  if (table == "raw") return is_one_of({"PREROUTING"});
  return network && nft_table(*network).ends_with(" " + std::string(table));
}

}  // namespace flannel
