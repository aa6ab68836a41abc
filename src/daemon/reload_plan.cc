// SPDX-License-Identifier: Apache-2.0
#include "daemon/reload_plan.h"

#include <algorithm>
#include <string_view>

namespace flannel {
namespace {

// What the running daemon applies. A flag that is not here takes a restart.
constexpr std::string_view kLive[] = {
    "--iface",
    "--iface-can-reach",
    "--iface-regex",
    "--ip-blackhole-route",
    "--ip-masq",
    "--ip-masq-fully-random-disable",
    "--iptables-forward-rules",
    "--on-subnet-loss",
    "--public-ip",
    "--public-ipv6",
    "--subnet-lease-renew-margin",
    "--v",
};

}  // namespace

ReloadPlan plan_reload(const Settings& running, const Settings& wanted) {
  ReloadPlan plan;
  const auto note = [&plan](const std::string& name) {
    const bool live = std::ranges::find(kLive, name) != std::ranges::end(kLive);
    (live ? plan.live : plan.restart).push_back(name);
  };
  for (const auto& [name, values] : wanted) {
    const auto before = running.find(name);
    if (before == running.end() || before->second != values) note(name);
  }
  for (const auto& [name, values] : running) {
    if (!wanted.contains(name)) note(name);
  }
  return plan;
}

}  // namespace flannel
