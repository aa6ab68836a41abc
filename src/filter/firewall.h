// SPDX-License-Identifier: Apache-2.0
// The rules for all families in which this host has a subnet. docs/firewall.md.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "filter/family_firewall.h"
#include "filter/firewall_options.h"
#include "filter/packet_filter.h"
#include "filter/packet_rules.h"
#include "loop/loop.h"

namespace flannel {

class Firewall final : public PacketRules {
 public:
  struct Parts {
    // Each makes the part for one family.
    std::function<std::unique_ptr<PacketFilter>(Family)> filter;
    std::function<std::unique_ptr<RuleChanges>(Family)> changes;
    Loop& loop;                      // outlives the Firewall
    IptablesQueue& iptables;         // of the process; outlives the Firewall
    std::function<void()> on_state;  // in_place() or problems() may answer differently
  };
  Firewall(FirewallOptions options, Parts parts);

  void want(const NetworkConfig& config, const SubnetKey& own,
            std::span<const IpPrefix> earlier) override;
  // Keeps other rules from now on. Whether they are in nftables or iptables stays as it is.
  void set_rules(const RuleOptions& rules);
  // Lets no packet pass between the network and these, from now on.
  void separate(const std::vector<IpPrefix>& strangers);
  void admit(const OverlayIngress& ingress) override;
  void leave() override;
  bool has_left() const override;
  bool in_place() const override;
  std::vector<Problem> problems() const override;

 private:
  FamilyFirewall& of(Family family);

  FirewallOptions options_;
  const Parts parts_;
  OverlayIngress ingress_;
  std::vector<IpPrefix> strangers_;
  std::map<Family, FamilyFirewall> families_;  // those that were ever needed, and IPv4
  std::vector<Family> wanted_;                 // those of the latest want(), IPv4 first
};

}  // namespace flannel
