// SPDX-License-Identifier: Apache-2.0
#include "filter/firewall.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/log.h"
#include "filter/legacy_rules.h"
#include "rules/nft_text.h"

namespace flannel {
namespace {

// Docker and others change rules in many small steps: one look for a handful of them.
constexpr auto kSettle = std::chrono::milliseconds(20);
// Against somebody who undoes what we do, looking at once so often is enough.
constexpr int kMendsATimer = 10;

bool wants_something(const FirewallOptions& options) {
  return options.rules.masquerade || options.rules.forward || options.docker;
}

}  // namespace

Firewall::Firewall(FirewallOptions options, Loop& loop, std::function<void()> on_state)
    : options_(options), loop_(loop), on_state_(std::move(on_state)) {
  if (wants_something(options_)) soon_ = loop_.at(loop_.now(), [this] { prepare(); });
}

// What takes most of the time, while the store is asked. What fails is tried again when needed.
void Firewall::prepare() {
  open_watch();
  if (options_.mode == FirewallMode::iptables) return;
  if (auto opened = NftTable::open()) table_ = *std::move(opened);
}

void Firewall::want(const NetworkConfig& config, const Cidr4& subnet) {
  RuleSet rules = plan_rules(config.network, subnet, options_.rules);
  rules.fully_random = rules.fully_random && random_ports_;
  if (rules_ == rules && subnet_ == subnet) return;
  rules_ = std::move(rules);
  subnet_ = subnet;
  config_wants_nft_ = config.enable_nftables;
  if (!wants_something(options_)) return;
  fresh_ = true;
  table_stands_ = false;
  done_once_ = false;
  if (busy_) {
    again_ = true;
  } else {
    begin();
  }
}

void Firewall::admit(const OverlayIngress& ingress) {
  if (!options_.docker || ingress_ == ingress) return;
  ingress_ = ingress;
  for (const std::string& name : unmatched(ingress)) {
    log::warning(
        "no packet is let through Docker's rules from an interface whose name ends with +, "
        "which iptables takes for every name that begins so; rename it",
        {{"interface", name}});
  }
  if (rules_) look_soon();
}

bool Firewall::in_place() const {
  return !options_.rules.masquerade || done_once_;
}

void Firewall::begin() {
  busy_ = true;
  changed_ = false;
  timer_.reset();
  soon_.reset();
  if (mode_) return look();
  open_watch();
  if (auto tried = try_nftables(); !tried) return finish(std::move(tried));
  look_at_others();
}

void Firewall::open_watch() {
  if (watch_) return;
  auto opened = RuleWatch::open(
      loop_, [this](const RuleChange& change) { return may_be_about_us(change); },
      [this] { on_rules_changed(); });
  if (opened) {
    watch_ = *std::move(opened);
  } else {
    log::info("changes of rules are looked for",
              {{"every_s", options_.resync.count()}, {"why", opened.error().text}});
  }
}

// The chains that have rules of ours, that lead to them, or that say whether we are needed.
bool Firewall::may_be_about_us(const RuleChange& change) const {
  using Names = std::initializer_list<std::string_view>;
  auto is_one_of = [&](Names names) {
    return change.chain.empty() || change.chain.starts_with("FLANNEL-") ||
           std::ranges::find(names, change.chain) != names.end();
  };
  if (change.table == "filter") return is_one_of({"FORWARD", "DOCKER-USER", "DOCKER-FORWARD"});
  if (change.table == "nat") return is_one_of({"POSTROUTING"});
  if (change.table == "raw") return is_one_of({"PREROUTING"});
  return rules_ && "ip " + std::string(change.table) == nft_table(rules_->network);
}

// Its rules stand before anything is removed that did their work until now.
Result<void> Firewall::try_nftables() {
  if (options_.mode == FirewallMode::iptables) return {};
  const bool asked = options_.mode == FirewallMode::nftables;
  auto put = [&]() -> Result<void> {
    if (!table_) table_ = TRY(NftTable::open());
    return keep_table();
  }();
  if (!put) {
    table_.reset();
    if (asked) return put;
    why_no_nftables_ = put.error().text;
    return {};
  }
  mode_ = FirewallMode::nftables;
  why_no_nftables_.clear();
  done_once_ = true;
  log::info("packet filter chosen",
            {{"kind", "nftables"}, {"why", asked ? "--firewall says so" : "the kernel has it"}});
  log::info("our rules stand", {{"in", nft_table(rules_->network)}});
  return {};
}

void Firewall::look() {
  if (*mode_ == FirewallMode::nftables) {
    if (auto kept = keep_table(); !kept) return finish(std::move(kept));
    done_once_ = true;  // what iptables is asked for besides are accepts
  }
  look_at_others();
}

Result<void> Firewall::keep_table() {
  if (table_stands_) {
    if (TRY(table_->mend(*rules_))) ++mended_;
    return {};
  }
  auto put = table_->put(*rules_);
  if (!put && asks_for_random_ports()) {
    rules_->fully_random = false;
    put = without_random_ports(put.error(), table_->put(*rules_));
  }
  table_stands_ = put.has_value();
  return put;
}

void Firewall::look_at_others() {
  const auto fingerprint = legacy_rules_fingerprint();
  legacy_seen_ = fingerprint ? std::optional(*fingerprint) : std::nullopt;
  auto places = iptables_places();
  if (!places) return finish(Failure(places.error()));
  if (!iptables_ || *places != places_) return search_iptables(*places);
  look_at_iptables();
}

// Without programs: on a host that has no rules of iptables none is run.
Result<IptablesPlaces> Firewall::iptables_places() {
  if (mode_ != FirewallMode::nftables) return IptablesPlaces{true, true};
  const auto tables = TRY(table_->tables());
  const bool nft = std::ranges::any_of(tables, [](const std::string& table) {
    return table == "ip filter" || table == "ip nat" || table == "ip raw";
  });
  return IptablesPlaces{nft, legacy_tables_exist()};
}

void Firewall::search_iptables(IptablesPlaces places) {
  iptables_.reset();
  const bool places_changed = !(std::exchange(places_, places) == places);
  if (!places.any()) return finish({});
  search_ = std::make_unique<IptablesSearch>(loop_, places);
  search_->start([this, places_changed](Result<IptablesSearch::Found> found) {
    if (!found) return on_none_found(found.error(), places_changed);
    on_found(*std::move(found));
  });
}

void Firewall::on_none_found(const Error& error, bool places_changed) {
  const bool installed = error.kind != ErrorKind::not_found;
  if (!mode_ || installed) {
    const std::string also = why_no_nftables_.empty() ? "" : "; " + why_no_nftables_;
    return finish(fail(error.kind, error.text + also));
  }
  if (places_changed)
    log::warning("there are rules of iptables here, and its programs cannot be used");
  finish({});
}

void Firewall::on_found(IptablesSearch::Found found) {
  iptables_ = std::move(found.iptables);
  saved_ = std::move(found.saved);
  if (!mode_) {
    mode_ = FirewallMode::iptables;
    const std::string why = options_.mode == FirewallMode::iptables
                                ? "--firewall says so"
                                : "nftables cannot be used: " + why_no_nftables_;
    log::info("packet filter chosen", {{"kind", iptables_->name()}, {"why", why}});
    if (config_wants_nft_) {
      log::warning("EnableNFTables of the network configuration is not followed", {{"why", why}});
    }
  }
  look_at_iptables();
}

void Firewall::look_at_iptables() {
  if (saved_) {
    const std::string text = *std::exchange(saved_, std::nullopt);
    return on_saved(text);
  }
  iptables_->save([this](const Result<std::string>& text) {
    if (!text) return finish(Failure(text.error()));
    on_saved(*text);
  });
}

// What masquerades and accepts.
std::string Firewall::own_change(const IptablesTables& have) const {
  const auto moment = fresh_ ? IptablesMoment::start : IptablesMoment::resync;
  if (*mode_ == FirewallMode::iptables) {
    return nat_change(*rules_, have.nat, moment) + filter_change(*rules_, have.filter, moment);
  }
  const std::string nat = fresh_ ? nat_handover(*rules_, have.nat) : std::string();
  if (forward_may_drop(have.filter)) return nat + filter_change(*rules_, have.filter, moment);
  return nat + (fresh_ ? filter_handover(*rules_, have.filter) : std::string());
}

std::string Firewall::docker_lines(const IptablesTables& have) const {
  if (options_.docker) return docker_change({rules_->network, subnet_, ingress_}, have);
  return fresh_ ? docker_removal(rules_->network, have) : std::string();
}

void Firewall::on_saved(const std::string& text) {
  const IptablesTables have = parse_iptables_tables(text);
  const std::string own = own_change(have);
  const std::string docker = docker_lines(have);
  if (own.empty() && docker.empty()) return on_changed({});
  ++mended_;
  if (!fresh_ && !own.empty()) {
    log::warning("Some iptables rules are missing; putting them back", {{"in", iptables_->name()}});
  }
  if (!docker.empty()) {
    log::info(options_.docker ? "letting the overlay through Docker's rules"
                              : "our rules in Docker's tables removed");
  }
  iptables_->restore(own + docker, [this, have](Result<void> restored) {
    const bool may_be_for_ports = *mode_ == FirewallMode::iptables && asks_for_random_ports();
    if (restored || !may_be_for_ports) return on_changed(std::move(restored));
    rules_->fully_random = false;
    iptables_->restore(own_change(have) + docker_lines(have),
                       [this, why = restored.error()](Result<void> plain) {
                         on_changed(without_random_ports(why, std::move(plain)));
                       });
  });
}

// Ours stand: what an earlier run, or upstream, has elsewhere goes.
void Firewall::on_changed(Result<void> changed) {
  if (!changed) return finish(std::move(changed));
  if (fresh_ && *mode_ == FirewallMode::iptables) remove_table();
  if (!search_) return finish({});
  search_->free_others(*rules_, [this] {
    const auto done = std::move(search_);
    finish({});
  });
}

// That there is no nftables here is no trouble.
void Firewall::remove_table() {
  auto table = NftTable::open();
  const auto removed =
      table ? (*table)->remove(rules_->network) : Failure(std::move(table.error()));
  if (!removed) return;
  for (const std::string& name : *removed)
    log::info("removed the rules of an earlier run", {{"from", name}});
}

bool Firewall::asks_for_random_ports() const {
  return !rules_->masquerade.empty() && rules_->fully_random;
}

// Old kernels and old iptables know no random ports, and the rules matter more. What fails without
// them too fails for something else.
Result<void> Firewall::without_random_ports(const Error& why, Result<void> done) {
  random_ports_ = !done;
  rules_->fully_random = random_ports_;
  if (done) log::warning("masquerading without random ports", {{"why", why.text}});
  return done;
}

void Firewall::finish(Result<void> result) {
  busy_ = false;
  const std::string trouble = result ? std::string() : result.error().text;
  if (trouble != trouble_ && !trouble.empty()) {
    log::error("packet filter", {{"why", trouble}});
  }
  if (result && (fresh_ || !trouble_.empty())) {
    log::info("packet filter in order",
              {{"masquerade", !rules_->masquerade.empty()}, {"forward", !rules_->forward.empty()}});
  }
  trouble_ = trouble;
  if (std::exchange(again_, false)) return begin();
  if (result) {
    fresh_ = false;
    done_once_ = true;
  }
  timer_ = loop_.at(loop_.now() + options_.resync, [this] { on_timer(); });
  if (changed_) on_rules_changed();
  on_state_();
}

void Firewall::on_rules_changed() {
  changed_ = true;
  if (rules_ && mended_ < kMendsATimer) look_soon();
}

void Firewall::look_soon() {
  if (busy_) {
    changed_ = true;
    return;
  }
  if (!soon_) soon_ = loop_.at(loop_.now() + kSettle, [this] { begin(); });
}

void Firewall::on_timer() {
  mended_ = 0;
  if (may_have_changed()) return begin();
  timer_ = loop_.at(loop_.now() + options_.resync, [this] { on_timer(); });
}

// Where the kernel tells of every change there is nothing to look for.
bool Firewall::may_have_changed() const {
  if (!watch_ || changed_ || fresh_ || !trouble_.empty()) return true;
  const bool uses_legacy = iptables_ && iptables_->is_legacy();
  // Docker may come by it at any time.
  if (!uses_legacy && *mode_ == FirewallMode::iptables) return false;
  const auto now = legacy_rules_fingerprint();
  return now ? legacy_seen_ != *now : uses_legacy;
}

}  // namespace flannel
