// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "rules/rule_set.h"

namespace flannel {

// automatic: nftables, and iptables where that cannot be used.
enum class FirewallMode { automatic, nftables, iptables };

struct FirewallOptions {
  FirewallMode mode = FirewallMode::automatic;
  RuleOptions rules;
  std::chrono::seconds resync{5};  // between looks where the kernel tells of no changes
  bool docker = true;              // --docker-rules
};

}  // namespace flannel
