// SPDX-License-Identifier: Apache-2.0
#include "daemon/firewall.h"

#include <utility>

#include "base/log.h"
#include "rules/nft_text.h"

namespace flannel {

Firewall::Firewall(FirewallOptions options, Loop& loop, std::function<void()> on_state)
    : options_(options), loop_(loop), on_state_(std::move(on_state)) {}

void Firewall::want(const NetworkConfig& config, const Cidr4& subnet) {
  const bool random = !rules_ || rules_->fully_random;  // given up before: this kernel has none
  RuleSet rules = plan_rules(config.network, subnet, options_.rules);
  rules.fully_random = rules.fully_random && random;
  if (rules_ == rules) return;
  rules_ = std::move(rules);
  config_wants_nft_ = config.enable_nftables;
  if (rules_->masquerade.empty() && rules_->forward.empty()) return;
  fresh_ = true;
  done_once_ = false;
  if (busy_) {
    again_ = true;
  } else {
    begin();
  }
}

bool Firewall::in_place() const {
  return !options_.rules.masquerade || done_once_;
}

void Firewall::begin() {
  busy_ = true;
  timer_.reset();
  if (mode_) return look();
  find_iptables({IptablesKind::system, IptablesKind::nft, IptablesKind::legacy});
}

// The first that is installed, unless it has nothing to do with what drops and a later one has.
void Firewall::find_iptables(std::vector<IptablesKind> kinds) {
  while (!kinds.empty()) {
    auto found = Iptables::find(kinds.front(), loop_);
    kinds.erase(kinds.begin());
    if (!found) continue;
    trying_ = *std::move(found);
    trying_->save([this, kinds](const Result<std::string>& text) {
      auto tried = std::move(trying_);
      const bool drops = text && forward_may_drop(parse_iptables(*text, "filter"));
      if (drops && iptables_) {
        log::warning("the rules that drop forwarded packets are not in the system's iptables",
                     {{"system", iptables_->name()}, {"used", tried->name()}});
      }
      if (text && (drops || !iptables_)) iptables_ = std::move(tried);
      find_iptables(drops ? std::vector<IptablesKind>() : kinds);
    });
    return;
  }
  decide();
}

void Firewall::decide() {
  const bool open_choice = options_.mode == FirewallMode::automatic;
  bool want_nft = open_choice ? config_wants_nft_ : options_.mode == FirewallMode::nftables;
  const char* why = open_choice ? "the network configuration says so" : "--firewall says so";
  if (!want_nft && !iptables_) {
    if (!open_choice) return finish(fail(ErrorKind::not_found, "iptables is not installed"));
    want_nft = true;
    why = "iptables is not installed";
  }
  if (want_nft) {
    const auto opened = open_nft();
    if (!opened && (!open_choice || !iptables_)) return finish(opened);
    if (!opened) {
      log::warning("no nftables", {{"why", opened.error().text}});
      want_nft = false;
      why = "nftables cannot be used";
    }
  }
  mode_ = want_nft ? FirewallMode::nftables : FirewallMode::iptables;
  log::info("packet filter chosen",
            {{"kind", want_nft ? "nftables" : iptables_->name()}, {"why", why}});
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

std::string Firewall::iptables_change(const std::string& text) const {
  const IptablesTable nat = parse_iptables(text, "nat");
  const IptablesTable filter = parse_iptables(text, "filter");
  const auto moment = fresh_ ? IptablesMoment::start : IptablesMoment::resync;
  if (*mode_ == FirewallMode::iptables) {
    return nat_change(*rules_, nat, moment) + filter_change(*rules_, filter, moment);
  }
  std::string change = fresh_ ? nat_removal(nat) : std::string();
  if (forward_may_drop(filter)) return change + filter_change(*rules_, filter, moment);
  return change + (fresh_ ? filter_removal(filter) : std::string());
}

void Firewall::on_saved(const std::string& text) {
  std::string change = iptables_change(text);
  if (change.empty()) return finish({});
  if (!fresh_) {
    log::warning("Some iptables rules are missing; putting them back", {{"in", iptables_->name()}});
  }
  iptables_->restore(std::move(change), [this, text](Result<void> restored) {
    if (restored || !give_up_random_ports(restored.error())) return finish(std::move(restored));
    iptables_->restore(iptables_change(text), [this](Result<void> plain) { finish(plain); });
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
  timer_ = loop_.at(loop_.now() + options_.resync, [this] { begin(); });
  on_state_();
}

}  // namespace flannel
