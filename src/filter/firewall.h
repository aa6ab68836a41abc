// SPDX-License-Identifier: Apache-2.0
// Keeps our rules in the packet filter: looks at them when the kernel tells of a change, and puts
// back what is missing. docs/firewall.md.
//
//   want ─▶ nftables? ─▶ is iptables used here? ─▶ look ─▶ change, if needed ─▶ wait ─▶ look
//
// In the mode nftables what masquerades is a table of our own, and no program is run on a host
// without rules of iptables. Where it has some, those that did our work before are removed, and it
// gets the accepts where it would drop: an accept in a table of ours overrules no drop in another.
// What Docker's own rules need goes into Docker's tables, in either mode.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "filter/firewall_options.h"
#include "filter/iptables.h"
#include "filter/iptables_search.h"
#include "filter/nft_table.h"
#include "filter/packet_rules.h"
#include "filter/rule_watch.h"
#include "loop/loop.h"
#include "rules/docker_rules.h"
#include "rules/iptables_text.h"
#include "rules/rule_set.h"

namespace flannel {

class Firewall final : public PacketRules {
 public:
  // `loop` outlives it; `on_state`: an accessor may answer differently.
  Firewall(FirewallOptions options, Loop& loop, std::function<void()> on_state);

  void want(const NetworkConfig& config, const Cidr4& subnet) override;
  void admit(const OverlayIngress& ingress) override;
  // Without masquerading containers do not reach the world; without accepts they do on hosts that
  // drop nothing, so those do not count.
  bool in_place() const override;
  const std::string& trouble() const override { return trouble_; }

 private:
  void prepare();
  void begin();
  void open_watch();
  bool may_be_about_us(const RuleChange& change) const;
  Result<void> try_nftables();
  void look();
  Result<void> keep_table();
  void look_at_others();
  Result<IptablesPlaces> iptables_places();
  void search_iptables(IptablesPlaces places);
  void on_found(IptablesSearch::Found found);
  void on_none_found(const Error& error, bool places_changed);
  void look_at_iptables();
  void on_saved(const std::string& text);
  std::string own_change(const IptablesTables& have) const;
  std::string docker_lines(const IptablesTables& have) const;
  void on_changed(Result<void> changed);
  void remove_table();
  bool asks_for_random_ports() const;
  Result<void> without_random_ports(const Error& why, Result<void> done);
  void finish(Result<void> result);
  void on_rules_changed();
  void look_soon();
  void on_timer();
  bool may_have_changed() const;

  const FirewallOptions options_;
  Loop& loop_;
  const std::function<void()> on_state_;

  std::optional<RuleSet> rules_;  // wanted
  Cidr4 subnet_;
  OverlayIngress ingress_;
  bool config_wants_nft_ = false;
  bool random_ports_ = true;  // false: they were tried, and only without them the rules were taken
  bool fresh_ = true;         // not all put there yet as they are wanted now
  bool busy_ = false;
  bool again_ = false;  // wanted differently meanwhile
  bool done_once_ = false;
  std::string trouble_;

  std::optional<FirewallMode> mode_;  // decided
  std::unique_ptr<NftTable> table_;   // in the mode nftables
  bool table_stands_ = false;         // as it is wanted now
  std::string why_no_nftables_;
  IptablesPlaces places_;  // at the latest search
  std::unique_ptr<IptablesSearch> search_;
  std::unique_ptr<Iptables> iptables_;  // that has to be looked at
  std::optional<std::string> saved_;    // what it has said just now

  std::unique_ptr<RuleWatch> watch_;          // null: this kernel tells nothing
  bool changed_ = false;                      // by anybody, since the look that was begun last
  std::optional<std::uint64_t> legacy_seen_;  // the rules of iptables-legacy at the latest look
  int mended_ = 0;  // looks since the last timer that had to change something
  SubscriptionPtr timer_;
  SubscriptionPtr soon_;
};

}  // namespace flannel
