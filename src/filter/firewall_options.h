// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "rules/firewall_plan.h"
#include "rules/rule_set.h"

namespace flannel {

struct FirewallOptions {
  FirewallMode mode = FirewallMode::automatic;
  RuleOptions rules;
  // --iptables-resync: between checks where the kernel reports no changes.
  std::chrono::milliseconds resync = std::chrono::seconds(5);
  bool docker = true;  // --docker-rules
};

}  // namespace flannel
