// SPDX-License-Identifier: Apache-2.0
// The twin of the host's packet filter for one family: nftables and two iptables as values. Changes
// by us or by the test are notified, and programs reply in a later turn.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "filter/packet_filter.h"
#include "loop/loop.h"
#include "rules/nft_text.h"
#include "support/fake_iptables.h"
#include "support/in_family.h"

namespace flannel {

// What the host has; the test changes it as other programs would.
struct FakeFilterHost {
  Family family = Family::v4;
  std::map<std::string, std::string> nft{};  // "ip flannel-10.5.0.0-16" -> its rules
  FakeIptables iptables_nft{in_family(family, "iptables-nft")};
  FakeIptables iptables_legacy{in_family(family, "iptables-legacy")};
  bool is_installed = true;  // the programs of iptables
  // Each: the input that nft or an iptables refuses.
  std::function<bool(const std::string&)> nft_refuses = [](const std::string&) { return false; };
  std::function<bool(const std::string&)> iptables_refuses = nft_refuses;
  std::string calls{};  // "write_table\nread_iptables nft\n"

  std::function<bool(const RuleChange&)> concerns_us{};
  std::function<void()> on_change{};

  std::string take_calls() { return std::exchange(calls, {}); }
  void run(FakeIptables& iptables, const std::string& table, const std::string& lines) {
    const auto done = iptables.restore("*" + table + "\n" + lines + "\nCOMMIT\n");
    if (!done) throw std::runtime_error(done.error().text);
  }
  // Another program changes this chain of nftables or iptables-nft.
  void notify(std::string_view table, std::string_view chain) const {
    if (on_change && concerns_us({family, table, chain})) on_change();
  }
};

class FakePacketFilter final : public PacketFilter {
 public:
  // Both outlive it.
  FakePacketFilter(FakeFilterHost& host, Loop& loop) : host_(host), loop_(loop) {}

  void prepare_nftables() override {}
  Result<void> write_table(const RuleSet& rules) override {
    host_.calls += "write_table\n";
    const std::string text = render_nft(rules);
    if (host_.nft_refuses(text)) return fail(ErrorKind::system, "nft refused");
    written_ = text;
    name_ = nft_table(rules.network);
    host_.nft[name_] = text;
    later([this] { host_.notify(name_.substr(name_.find(' ') + 1), ""); });
    return {};
  }
  Result<bool> is_table_unchanged() override {
    host_.calls += "check_table\n";
    const auto at = host_.nft.find(name_);
    return at != host_.nft.end() && at->second == written_;
  }
  Result<std::vector<std::string>> remove_tables(const IpPrefix& network) override {
    host_.calls += "remove_table\n";
    std::vector<std::string> removed;
    if (host_.nft.erase(nft_table(network)) != 0) removed.push_back(nft_table(network));
    return removed;
  }
  Result<IptablesPlaces> find_iptables() override {
    return IptablesPlaces{host_.iptables_nft.has_tables(), host_.iptables_legacy.has_tables()};
  }

  void read_iptables(IptablesPlaces places, Reply<IptablesRules> reply) override {
    if (!host_.is_installed) {
      const std::string why = in_family(host_.family, "iptables is not installed");
      return later([reply, why] { reply(fail(ErrorKind::not_found, why)); });
    }
    const bool first_drops = drops(host_.iptables_nft) || !drops(host_.iptables_legacy);
    const bool nft = places.nft && (first_drops || !places.legacy);
    chosen_ = nft ? &host_.iptables_nft : &host_.iptables_legacy;
    host_.calls += "read " + chosen_->name() + "\n";
    later([this, reply] { reply(read()); });
  }
  void change_iptables(std::string text, Reply<void> reply) override {
    host_.calls += "change " + chosen_->name() + "\n";
    later([this, text = std::move(text), reply] {
      if (host_.iptables_refuses(text)) return reply(fail(ErrorKind::system, "refused"));
      auto done = chosen_->restore(text);
      if (chosen_ == &host_.iptables_nft) after_reply_ = notification();
      reply(std::move(done));
    });
  }
  void clear_other_iptables(const RuleSet& rules, std::function<void()> done) override {
    for (FakeIptables* other : {&host_.iptables_nft, &host_.iptables_legacy}) {
      const std::string removal = removal_of_network(rules, other->save());
      if (other == chosen_ || chosen_ == nullptr || removal.empty()) continue;
      host_.calls += "clear " + other->name() + "\n";
      if (auto cleared = other->restore(removal); !cleared)
        throw std::runtime_error(cleared.error().text);
    }
    done();
  }

 private:
  static bool drops(const FakeIptables& iptables) {
    return forward_may_drop(parse_iptables(iptables.save(), "filter"));
  }
  Result<IptablesRules> read() const {
    if (host_.iptables_refuses("")) return fail(ErrorKind::system, chosen_->name() + " refused");
    return IptablesRules{.name = chosen_->name(),
                         .legacy = chosen_ == &host_.iptables_legacy,
                         .saved = chosen_->save()};
  }
  void later(std::function<void()> work) {
    turn_ = loop_.at(loop_.now(), [this, work = std::move(work)] {
      const SubscriptionPtr ended = std::move(turn_);
      work();
    });
  }
  SubscriptionPtr notification() {
    return loop_.at(loop_.now(), [this] { host_.notify("filter", "FORWARD"); });
  }

  FakeFilterHost& host_;
  Loop& loop_;
  FakeIptables* chosen_ = nullptr;
  std::string name_, written_;
  SubscriptionPtr turn_, after_reply_;
};

class FakeRuleChanges final : public RuleChanges {
 public:
  // `host` outlives it. `notifies`: false for a kernel that sends no notifications.
  FakeRuleChanges(FakeFilterHost& host, bool notifies) : host_(host), notifies_(notifies) {}
  ~FakeRuleChanges() override { host_.on_change = nullptr; }

  Result<void> watch(std::function<bool(const RuleChange&)> concerns_us,
                     std::function<void()> on_change) override {
    if (!notifies_) return fail(ErrorKind::system, "no nftables");
    host_.concerns_us = std::move(concerns_us);
    host_.on_change = std::move(on_change);
    return {};
  }
  bool is_watching() const override { return host_.on_change != nullptr; }
  std::optional<std::uint64_t> legacy_sum() const override {
    return std::hash<std::string>{}(host_.iptables_legacy.save());
  }

 private:
  FakeFilterHost& host_;
  const bool notifies_;
};

}  // namespace flannel
