// SPDX-License-Identifier: Apache-2.0
#include "filter/family_firewall.h"

#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"
#include "rules/nft_text.h"

namespace flannel {
namespace {

bool wants_something(const FirewallOptions& options) {
  return options.rules.masquerade || options.rules.forward || options.docker;
}

}  // namespace

FamilyFirewall::FamilyFirewall(FirewallOptions options, Family family, Parts parts)
    : options_(options),
      family_(family),
      parts_(std::move(parts)),
      pacer_(options.resync),
      turn_(parts_.iptables, family, parts_.loop),
      timer_(parts_.loop, [this] { on_timer(); }) {
  if (wants_something(options_)) timer_.arm(parts_.loop.now());
}

// This takes most of the time of the first pass, and there is time while the store is asked.
void FamilyFirewall::prepare() {
  watch();
  if (options_.mode != FirewallMode::iptables) parts_.filter->prepare_nftables();
}

void FamilyFirewall::watch() {
  if (parts_.changes->is_watching()) return;
  const auto concerns = [this](const RuleChange& change) {
    const auto network = wish_ ? std::optional(wish_->rules.network) : std::nullopt;
    return concerns_us(change.table, change.chain, network);
  };
  const auto watching = parts_.changes->watch(concerns, [this] { on_rules_changed(); });
  if (watching) return;
  const auto every = std::chrono::duration_cast<std::chrono::seconds>(options_.resync);
  log::info(
      "the packet filter is checked by a timer",
      {{"family", to_string(family_)}, {"every_s", every.count()}, {"why", watching.error().text}});
}

void FamilyFirewall::want(const IpPrefix& network, const IpPrefix& subnet,
                          bool config_asks_nftables) {
  is_leaving_ = false;
  take_wish({.mode = options_.mode,
             .rules = plan_rules(network, subnet, options_.rules, strangers_),
             .subnet = subnet,
             .docker = options_.docker ? std::optional(ingress_) : std::nullopt,
             .config_asks_nftables = config_asks_nftables});
}

// The rules may be in either kind of packet filter, whichever the flag says now.
void FamilyFirewall::leave(const IpPrefix& network) {
  is_leaving_ = true;
  take_wish({.rules = {.network = network}, .subnet = network});
}

// Rules that nobody wants any more are removed by one more pass.
void FamilyFirewall::set_rules(const RuleOptions& rules) {
  if (options_.rules == rules) return;
  options_.rules = rules;
  plan_again();
}

void FamilyFirewall::separate(std::vector<IpPrefix> strangers) {
  if (strangers_ == strangers) return;
  strangers_ = std::move(strangers);
  plan_again();
}

void FamilyFirewall::plan_again() {
  if (!is_wanted()) return;
  wish_->rules = plan_rules(wish_->rules.network, wish_->subnet, options_.rules, strangers_);
  if (!pass_) begin();
}

void FamilyFirewall::take_wish(FirewallWish wish) {
  if (wish_ == wish) return;
  wish_ = std::move(wish);
  const bool wants = wants_something(options_) || !strangers_.empty();
  if ((is_leaving_ || wants) && !pass_) begin();
}

void FamilyFirewall::admit(const OverlayIngress& ingress) {
  if (!options_.docker || ingress_ == ingress) return;
  ingress_ = ingress;
  unmatched_ = unmatched(ingress);
  if (!is_wanted()) return;
  wish_->docker = ingress;
  on_rules_changed();
}

bool FamilyFirewall::in_place() const {
  // The accepts do not count: hosts that drop nothing need none.
  const bool needs_rules = options_.rules.masquerade || !strangers_.empty();
  return !needs_rules || is_leaving_ || (wish_ && view_.in_force == wish_->rules);
}

void FamilyFirewall::begin() {
  pass_ = wish_;
  pacer_.begin();
  timer_.cancel();
  if (view_.host.kind == FirewallKind::undecided) watch();
  begin_pass(view_, parts_.changes->legacy_sum());
  proceed();
}

// Takes steps until one waits for a program; its reply goes on from there.
void FamilyFirewall::proceed() {
  for (;;) {
    const FirewallStep step = next_step(view_, *pass_);
    if (step.act == FirewallAct::end) return end();
    const FirewallFindings before = view_.host;
    if (!take(step)) return;
    log_findings(before);
  }
}

// False: the step waits.
bool FamilyFirewall::take(const FirewallStep& step) {
  switch (step.act) {
    case FirewallAct::check_table:
      check_table();
      return true;
    case FirewallAct::write_table:
      on_table_written(view_, *pass_, parts_.filter->write_table(wanted_rules(view_, *pass_)));
      return true;
    case FirewallAct::find_places:
      on_places_found(view_, parts_.filter->find_iptables());
      return true;
    case FirewallAct::read_iptables:
      read_iptables();
      return false;
    case FirewallAct::change_iptables:
      change_iptables(step.change);
      return false;
    case FirewallAct::remove_table:
      remove_table();
      return true;
    case FirewallAct::clear_others:
      clear_others();
      return false;
    case FirewallAct::end:
      break;
  }
  return false;
}

void FamilyFirewall::check_table() {
  const auto unchanged = parts_.filter->is_table_unchanged();
  if (unchanged && !*unchanged) {
    pacer_.on_mend();
    log::warning("our rules were changed by another program; putting them back",
                 {{"in", nft_table(pass_->rules.network)}});
  }
  on_table_checked(view_, *pass_, unchanged);
}

// A host without nftables has no such table either.
void FamilyFirewall::remove_table() {
  if (const auto removed = parts_.filter->remove_tables(pass_->rules.network)) {
    for (const std::string& name : *removed)
      log::info("removed the rules of an earlier run", {{"from", name}});
  }
  on_table_removed(view_);
}

void FamilyFirewall::read_iptables() {
  turn_.take([this] {
    parts_.filter->read_iptables(places_to_read(view_), [this](Result<IptablesRules> read) {
      const FirewallFindings before = view_.host;
      on_iptables_read(view_, *pass_, std::move(read));
      log_findings(before);
      proceed();
    });
  });
}

void FamilyFirewall::change_iptables(const IptablesChange& change) {
  if (view_.host.random_ports != RandomPorts::trying_without) {
    pacer_.on_mend();
    if (!change.own.empty() && is_done(view_, *pass_)) {
      log::warning("Some iptables rules are missing; putting them back",
                   {{"in", view_.iptables->name}});
    }
    if (!change.docker.empty()) {
      log::info(options_.docker ? "letting the overlay through Docker's rules"
                                : "our rules in Docker's tables removed");
    }
  }
  parts_.filter->change_iptables(change.own + change.docker, [this](const Result<void>& changed) {
    const FirewallFindings before = view_.host;
    on_iptables_changed(view_, *pass_, changed);
    log_findings(before);
    proceed();
  });
}

void FamilyFirewall::clear_others() {
  parts_.filter->clear_other_iptables(wanted_rules(view_, *pass_), [this] {
    if (pass_->is_for_nothing()) {
      log::info("no rules for a network of an earlier run",
                {{"network", to_string(pass_->rules.network)}});
    } else if (!is_done(view_, *pass_) || !failure_.empty()) {
      log::info("packet filter in order", {{"family", to_string(family_)},
                                           {"masquerade", !pass_->rules.masquerade.empty()},
                                           {"forward", !pass_->rules.forward.empty()}});
    }
    on_others_cleared(view_, *pass_);
    proceed();
  });
}

void FamilyFirewall::log_findings(const FirewallFindings& before) const {
  if (pass_->is_for_nothing()) return;
  const FirewallFindings& now = view_.host;
  const bool by_flag = options_.mode != FirewallMode::automatic;
  if (before.kind != now.kind && now.kind == FirewallKind::nftables) {
    log::info("packet filter chosen",
              {{"family", to_string(family_)},
               {"kind", "nftables"},
               {"why", by_flag ? "--firewall says so" : "the kernel has it"}});
    log::info("our rules stand", {{"in", nft_table(pass_->rules.network)}});
  }
  if (before.kind != now.kind && now.kind == FirewallKind::iptables) {
    log::info(
        "packet filter chosen",
        {{"family", to_string(family_)}, {"kind", view_.iptables->name}, {"why", why_iptables()}});
  }
}

std::vector<Problem> FamilyFirewall::problems() const {
  const std::string family(to_string(family_));
  std::vector<Problem> all;
  const auto add = [&](const ProblemKind& kind, const std::string& object,
                       const std::string& text) {
    all.push_back(make_problem(kind, object, (family_ == Family::v6 ? "IPv6: " : "") + text));
  };
  if (!failure_.empty()) add(kRulesNotKept, family, failure_);
  if (!is_wanted()) return all;
  const FirewallFindings& host = view_.host;
  if (host.unusable) {
    add(kIptablesMissing, family,
        "there are rules of iptables here, and its programs are not installed");
  }
  if (host.random_ports == RandomPorts::refused) {
    add(kRandomPortsRefused, family, host.why_no_random_ports);
  }
  if (host.kind == FirewallKind::iptables && wish_->config_asks_nftables) {
    add(kNftablesNotUsed, family, why_iptables());
  }
  for (const std::string& name : unmatched_) {
    add(kInterfaceNamePlus, name,
        "the name of " + name +
            " ends with +, and iptables takes that for every name that begins "
            "so");
  }
  return all;
}

std::string FamilyFirewall::why_iptables() const {
  return options_.mode != FirewallMode::automatic
             ? "--firewall says so"
             : "nftables cannot be used: " + view_.host.why_no_nftables;
}

void FamilyFirewall::end() {
  turn_.end();
  failure_ = view_.failure ? view_.failure->text : std::string();
  const bool wish_changed = pass_ != wish_;
  pass_.reset();
  pacer_.end(parts_.loop.now());
  if (wish_changed) return begin();
  if (!is_leaving_ || view_.failure) timer_.arm(pacer_.next_wakeup());
  parts_.on_state();
}

void FamilyFirewall::on_rules_changed() {
  if (is_leaving_) return;
  pacer_.on_change(parts_.loop.now());
  if (!pass_) timer_.arm(pacer_.next_wakeup());
}

void FamilyFirewall::on_timer() {
  if (!wish_) return prepare();
  switch (pacer_.tick(parts_.loop.now())) {
    case FirewallPacer::Wake::look:
      return begin();
    case FirewallPacer::Wake::check:
      if (!parts_.changes->is_watching() ||
          may_have_changed(view_, *wish_, parts_.changes->legacy_sum())) {
        return begin();
      }
      break;
    case FirewallPacer::Wake::nothing:
      break;
  }
  timer_.arm(pacer_.next_wakeup());
}

}  // namespace flannel
