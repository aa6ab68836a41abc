// SPDX-License-Identifier: Apache-2.0
// The packet filter of the network namespace that the loop's thread is in, as far as it concerns
// packets of one family.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "filter/iptables.h"
#include "filter/iptables_search.h"
#include "filter/nft_table.h"
#include "filter/packet_filter.h"
#include "filter/rule_watch.h"
#include "loop/loop.h"

namespace flannel {

class HostPacketFilter final : public PacketFilter {
 public:
  // `loop` outlives it.
  HostPacketFilter(Loop& loop, Family family) : loop_(loop), family_(family) {}

  void prepare_nftables() override;
  Result<void> write_table(const RuleSet& rules) override;
  Result<bool> is_table_unchanged() override;
  Result<std::vector<std::string>> remove_tables(const IpPrefix& network) override;
  Result<IptablesPlaces> find_iptables() override;

  void read_iptables(IptablesPlaces places, Reply<IptablesRules> reply) override;
  void change_iptables(std::string text, Reply<void> reply) override;
  void clear_other_iptables(const RuleSet& rules, std::function<void()> done) override;

 private:
  void search(IptablesPlaces places, Reply<IptablesRules> reply);
  IptablesRules rules_of_chosen(std::string saved) const;

  Loop& loop_;
  const Family family_;
  std::unique_ptr<NftTable> table_;         // null: not open
  IptablesPlaces places_;                   // where `chosen_` was searched
  std::unique_ptr<IptablesSearch> search_;  // until the others are cleared
  std::unique_ptr<Iptables> chosen_;        // null: none is used
};

class HostRuleChanges final : public RuleChanges {
 public:
  // `loop` outlives it.
  HostRuleChanges(Loop& loop, Family family) : loop_(loop), family_(family) {}

  Result<void> watch(std::function<bool(const RuleChange&)> concerns_us,
                     std::function<void()> on_change) override;
  bool is_watching() const override { return watch_ != nullptr; }
  std::optional<std::uint64_t> legacy_sum() const override;

 private:
  Loop& loop_;
  const Family family_;
  std::unique_ptr<RuleWatch> watch_;
};

}  // namespace flannel
