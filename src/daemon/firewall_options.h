// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "rules/rule_set.h"

namespace flannel {

// automatic: what the network configuration says, the other one where that is not installed.
enum class FirewallMode { automatic, nftables, iptables };

struct FirewallOptions {
  FirewallMode mode = FirewallMode::automatic;
  RuleOptions rules;
  std::chrono::seconds resync{5};  // between looks where the kernel tells of no changes
  bool docker = true;              // --docker-rules
};

}  // namespace flannel
