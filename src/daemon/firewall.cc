// SPDX-License-Identifier: Apache-2.0
#include "daemon/firewall.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/log.h"
#include "kernel/legacy_rules.h"
#include "rules/nft_text.h"

namespace flannel {
namespace {

// Docker and others change rules in many small steps: one look for a handful of them.
constexpr auto kSettle = std::chrono::milliseconds(20);
// Against somebody who undoes what we do, looking at once so often is enough.
constexpr int kMendsATimer = 10;

// The chains that have rules of ours, that lead to them, or that say whether we are needed.
bool may_be_about_us(const RuleChange& change) {
  using Names = std::initializer_list<std::string_view>;
  auto is_one_of = [&](Names names) {
    return change.chain.empty() || change.chain.starts_with("FLANNEL-") ||
           std::ranges::find(names, change.chain) != names.end();
  };
  if (change.table == "filter") return is_one_of({"FORWARD", "DOCKER-USER", "DOCKER-FORWARD"});
  if (change.table == "nat") return is_one_of({"POSTROUTING"});
  if (change.table == "raw") return is_one_of({"PREROUTING"});
  return "ip " + std::string(change.table) == kNftTable;
}

}  // namespace

Firewall::Firewall(FirewallOptions options, Loop& loop, std::function<void()> on_state)
    : options_(options), loop_(loop), on_state_(std::move(on_state)) {}

void Firewall::want(const NetworkConfig& config, const Cidr4& subnet) {
  const bool random = !rules_ || rules_->fully_random;  // given up before: this kernel has none
  RuleSet rules = plan_rules(config.network, subnet, options_.rules);
  rules.fully_random = rules.fully_random && random;
  if (rules_ == rules && subnet_ == subnet) return;
  rules_ = std::move(rules);
  subnet_ = subnet;
  config_wants_nft_ = config.enable_nftables;
  if (rules_->masquerade.empty() && rules_->forward.empty() && !options_.docker) return;
  fresh_ = true;
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
  if (auto chosen = choose_nft(); !chosen) return finish(std::move(chosen));
  find_iptables({IptablesKind::system, IptablesKind::nft, IptablesKind::legacy});
}

void Firewall::choose(FirewallMode mode, std::string_view kind, std::string_view why) {
  mode_ = mode;
  log::info("packet filter chosen", {{"kind", std::string(kind)}, {"why", std::string(why)}});
}

// Where nftables is asked for, what masquerades need not wait for the programs of iptables.
Result<void> Firewall::choose_nft() {
  const bool open_choice = options_.mode == FirewallMode::automatic;
  if (open_choice ? !config_wants_nft_ : options_.mode != FirewallMode::nftables) return {};
  if (auto opened = open_nft(); !opened) {
    if (!open_choice) return opened;
    log::warning("no nftables", {{"why", opened.error().text}});
    return {};
  }
  choose(FirewallMode::nftables, "nftables",
         open_choice ? "the network configuration says so" : "--firewall says so");
  TRY(keep_nft());
  log::info("our rules stand", {{"in", kNftTable}});
  done_once_ = true;
  return {};
}

void Firewall::open_watch() {
  if (watch_) return;
  auto opened = RuleWatch::open(loop_, may_be_about_us, [this] { on_rules_changed(); });
  if (opened) {
    watch_ = *std::move(opened);
  } else {
    log::info("changes of rules are looked for",
              {{"every_s", options_.resync.count()}, {"why", opened.error().text}});
  }
}

// The first that is installed, unless it has nothing to do with what drops and a later one has.
void Firewall::find_iptables(std::vector<IptablesKind> kinds) {
  while (!kinds.empty()) {
    const IptablesKind kind = kinds.front();
    kinds.erase(kinds.begin());
    auto found = Iptables::find(kind, loop_);
    // To ask iptables-legacy would make tables for it.
    if (!found || (iptables_ && iptables_->is_same(**found)) ||
        (kind == IptablesKind::legacy && iptables_ && !legacy_tables_exist())) {
      continue;
    }
    trying_ = *std::move(found);
    trying_->save([this, kinds](const Result<std::string>& text) {
      auto tried = std::move(trying_);
      const bool drops = text && forward_may_drop(parse_iptables(*text, "filter"));
      if (drops && iptables_) {
        log::warning("the rules that drop forwarded packets are not in the system's iptables",
                     {{"system", iptables_->name()}, {"used", tried->name()}});
      }
      if (text && (drops || !iptables_)) {
        iptables_ = std::move(tried);
        saved_ = *text;
      }
      find_iptables(drops ? std::vector<IptablesKind>() : kinds);
    });
    return;
  }
  decide();
}

void Firewall::decide() {
  if (mode_) return iptables_ ? look_at_iptables() : finish({});
  if (iptables_) {
    const bool asked = options_.mode == FirewallMode::iptables;
    const char* why = asked               ? "--firewall says so"
                      : config_wants_nft_ ? "nftables cannot be used"
                                          : "the network configuration says so";
    choose(FirewallMode::iptables, iptables_->name(), why);
    return look();
  }
  if (options_.mode == FirewallMode::iptables) {
    return finish(fail(ErrorKind::not_found, "iptables is not installed"));
  }
  if (auto opened = open_nft(); !opened) return finish(std::move(opened));
  choose(FirewallMode::nftables, "nftables", "iptables is not installed");
  look();
}

Result<void> Firewall::open_nft() {
  if (!nft_) nft_ = TRY(Nftables::open());
  return {};
}

void Firewall::look() {
  if (*mode_ == FirewallMode::nftables) {
    if (auto kept = keep_nft(); !kept) return finish(std::move(kept));
    done_once_ = true;  // what iptables is asked for besides are accepts
    if (!iptables_) return finish({});
  } else if (fresh_) {
    remove_nft();
  }
  look_at_iptables();
}

void Firewall::look_at_iptables() {
  legacy_seen_.reset();
  if (iptables_->is_legacy()) {
    if (const auto now = legacy_rules_fingerprint()) legacy_seen_ = *now;
  }
  if (saved_) {
    const std::string text = *std::exchange(saved_, std::nullopt);
    return on_saved(text);
  }
  iptables_->save([this](const Result<std::string>& text) {
    if (!text) return finish(Failure(text.error()));
    on_saved(*text);
  });
}

Result<void> Firewall::keep_nft() {
  if (!fresh_) {
    const auto listing = nft_->list_table(kNftTable);
    if (listing && *listing == nft_listing_) return {};
    if (!listing && listing.error().kind != ErrorKind::not_found) return Failure(listing.error());
    log::warning("our rules were changed by others, putting them back", {{"in", kNftTable}});
    ++mended_;
  }
  auto done = nft_->run(render_nft(*rules_));
  if (!done && give_up_random_ports(done.error())) done = nft_->run(render_nft(*rules_));
  if (!done) return done;
  if (fresh_) {
    for (const char* text : kNftRemoveUpstream)
      (void)nft_->run(text);  // fails where the kernel has no such family: nothing to remove
  }
  nft_listing_ = TRY(nft_->list_table(kNftTable));
  return {};
}

// What an earlier run in the other mode, or upstream, has left. Its absence is no trouble.
void Firewall::remove_nft() {
  if (!open_nft()) return;
  if (nft_->list_table(kNftTable)) {
    (void)nft_->run(render_nft({}));
    log::info("removed the rules of an earlier run", {{"from", kNftTable}});
  }
  for (const char* text : kNftRemoveUpstream)
    (void)nft_->run(text);
  nft_.reset();  // and the library with it
}

// What masquerades and accepts.
std::string Firewall::own_change(const IptablesTables& have) const {
  const auto moment = fresh_ ? IptablesMoment::start : IptablesMoment::resync;
  if (*mode_ == FirewallMode::iptables) {
    return nat_change(*rules_, have.nat, moment) + filter_change(*rules_, have.filter, moment);
  }
  const std::string removal = fresh_ ? nat_removal(have.nat) : std::string();
  if (forward_may_drop(have.filter)) return removal + filter_change(*rules_, have.filter, moment);
  return removal + (fresh_ ? filter_removal(have.filter) : std::string());
}

std::string Firewall::docker_lines(const IptablesTables& have) const {
  if (options_.docker) return docker_change({rules_->network, subnet_, ingress_}, have);
  return fresh_ ? docker_removal(have) : std::string();
}

void Firewall::on_saved(const std::string& text) {
  const IptablesTables have = parse_iptables_tables(text);
  const std::string own = own_change(have);
  const std::string docker = docker_lines(have);
  if (own.empty() && docker.empty()) return finish({});
  ++mended_;
  if (!fresh_ && !own.empty()) {
    log::warning("Some iptables rules are missing; putting them back", {{"in", iptables_->name()}});
  }
  if (!docker.empty()) {
    log::info(options_.docker ? "letting the overlay through Docker's rules"
                              : "our rules in Docker's tables removed");
  }
  iptables_->restore(own + docker, [this, have](Result<void> restored) {
    if (restored || !give_up_random_ports(restored.error())) return finish(std::move(restored));
    iptables_->restore(own_change(have) + docker_lines(have),
                       [this](Result<void> plain) { finish(std::move(plain)); });
  });
}

// Old kernels and old iptables know no random ports; the rules matter more.
bool Firewall::give_up_random_ports(const Error& error) {
  if (rules_->masquerade.empty() || !rules_->fully_random) return false;
  log::warning("masquerading without random ports", {{"why", error.text}});
  rules_->fully_random = false;
  return true;
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
  if (mended_ < kMendsATimer) look_soon();
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
  if (!iptables_ || !iptables_->is_legacy()) return false;
  const auto now = legacy_rules_fingerprint();
  return !now || legacy_seen_ != *now;
}

}  // namespace flannel
