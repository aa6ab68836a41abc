// SPDX-License-Identifier: Apache-2.0
// Keeps our rules in the packet filter: takes the steps that rules/firewall_plan.h decides, at the
// times that firewall_pacer.h decides, and logs what changes. docs/firewall.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "filter/firewall_options.h"
#include "filter/firewall_pacer.h"
#include "filter/packet_filter.h"
#include "filter/packet_rules.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "rules/firewall_plan.h"

namespace flannel {

class Firewall final : public PacketRules {
 public:
  struct Parts {
    std::unique_ptr<PacketFilter> filter;
    std::unique_ptr<RuleChanges> changes;
    Loop& loop;                      // outlives the Firewall
    std::function<void()> on_state;  // in_place() or trouble() may answer differently
  };
  Firewall(FirewallOptions options, Parts parts);

  void want(const NetworkConfig& config, const IpPrefix& subnet) override;
  void admit(const OverlayIngress& ingress) override;
  bool in_place() const override;
  const std::string& trouble() const override { return trouble_; }

 private:
  void prepare();
  void watch();
  void begin();
  void proceed();
  bool take(const FirewallStep& step);
  void check_table();
  void remove_table();
  void read_iptables();
  void clear_others();
  void change_iptables(const IptablesChange& change);
  void log_findings(const FirewallFindings& before) const;
  void end();
  void on_rules_changed();
  void arm();
  void on_timer();

  const FirewallOptions options_;
  const Parts parts_;
  OverlayIngress ingress_;
  std::optional<FirewallWish> wish_;  // nullopt: want() was not called yet
  std::optional<FirewallWish> pass_;  // what the current pass is for; nullopt: there is none
  FirewallView view_;
  FirewallPacer pacer_;
  std::string trouble_;
  Timer timer_;
};

}  // namespace flannel
