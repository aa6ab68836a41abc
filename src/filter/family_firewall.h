// SPDX-License-Identifier: Apache-2.0
// Keeps our rules for one family of addresses in the packet filter: takes the steps that
// rules/firewall_plan.h decides, at the times that firewall_pacer.h decides, and logs what changes.
// docs/firewall.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "filter/firewall_options.h"
#include "filter/firewall_pacer.h"
#include "filter/iptables_turn.h"
#include "filter/packet_filter.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "rules/firewall_plan.h"

namespace flannel {

class FamilyFirewall {
 public:
  // Both are of this family.
  struct Parts {
    std::unique_ptr<PacketFilter> filter;
    std::unique_ptr<RuleChanges> changes;
    Loop& loop;                      // outlives the FamilyFirewall
    IptablesQueue& iptables;         // outlives the FamilyFirewall
    std::function<void()> on_state;  // in_place() or problems() may answer differently
  };
  FamilyFirewall(FirewallOptions options, Family family, Parts parts);

  // Keeps the rules, from now on, as this network and this host's subnet need them.
  // `config_asks_nftables`: EnableNFTables.
  void want(const IpPrefix& network, const IpPrefix& subnet, bool config_asks_nftables);
  // Removes what an earlier run left for this network, and keeps nothing from now on.
  void leave(const IpPrefix& network);
  // Removes all that is kept, and keeps nothing from now on.
  void leave() {
    if (wish_) leave(wish_->rules.network);
  }
  // True if nothing is kept, and nothing is left to remove.
  bool has_left() const { return !wish_ || (is_leaving_ && !pass_ && failure_.empty()); }
  // Keeps other rules from now on, also none.
  void set_rules(const RuleOptions& rules);
  // Lets no packet pass between the network and these of this family, from now on.
  void separate(std::vector<IpPrefix> strangers);
  // `ingress`: of this family.
  void admit(const OverlayIngress& ingress);
  // True if rules are kept, and not removed.
  bool is_wanted() const { return wish_ && !is_leaving_; }
  // True if masquerading and the separation of networks are in force, or are not asked for.
  bool in_place() const;
  // Why the rules cannot be kept; empty: they are.
  const std::string& failure() const { return failure_; }
  std::vector<Problem> problems() const;

 private:
  void prepare();
  void watch();
  void plan_again();
  void take_wish(FirewallWish wish);
  void begin();
  void proceed();
  bool take(const FirewallStep& step);
  void check_table();
  void remove_table();
  void read_iptables();
  void clear_others();
  void change_iptables(const IptablesChange& change);
  void log_findings(const FirewallFindings& before) const;
  std::string why_iptables() const;
  void end();
  void on_rules_changed();
  void on_timer();

  FirewallOptions options_;
  const Family family_;
  const Parts parts_;
  OverlayIngress ingress_;
  std::vector<IpPrefix> strangers_;
  std::vector<std::string> unmatched_;  // interfaces of it from which Docker lets nothing through
  bool is_leaving_ = false;             // the wish is to remove everything
  std::optional<FirewallWish> wish_;    // nullopt: neither want() nor leave() was called yet
  std::optional<FirewallWish> pass_;    // what the current pass is for; nullopt: there is none
  FirewallView view_;
  FirewallPacer pacer_;
  IptablesTurn turn_;  // from the first reading of iptables in a pass to its end
  std::string failure_;
  Timer timer_;
};

}  // namespace flannel
