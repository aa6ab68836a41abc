// SPDX-License-Identifier: Apache-2.0
#include "daemon/reload_plan.h"

#include <gtest/gtest.h>

#include <set>

namespace flannel::reload_plan_test {
namespace {

using Words = std::vector<std::string>;

enum class Effect { live, restart };

struct Case {
  const char* name;
  Effect effect;
};

// Every flag that a variable can set. A new flag belongs here: either the running daemon
// applies it, or it takes a restart.
constexpr Case kCases[] = {
    {"--consul-cafile", Effect::restart},
    {"--consul-certfile", Effect::restart},
    {"--consul-datacenter", Effect::restart},
    {"--consul-endpoints", Effect::restart},
    {"--consul-keyfile", Effect::restart},
    {"--consul-namespace", Effect::restart},
    {"--consul-node", Effect::restart},
    {"--consul-register", Effect::restart},
    {"--consul-token-file", Effect::restart},
    {"--control-socket", Effect::restart},
    {"--docker-network", Effect::restart},
    {"--docker-plugin", Effect::restart},
    {"--docker-rules", Effect::restart},
    {"--environment-file", Effect::restart},
    {"--etcd-api", Effect::restart},
    {"--etcd-cafile", Effect::restart},
    {"--etcd-certfile", Effect::restart},
    {"--etcd-endpoints", Effect::restart},
    {"--etcd-keyfile", Effect::restart},
    {"--etcd-password", Effect::restart},
    {"--etcd-password-file", Effect::restart},
    {"--etcd-prefix", Effect::restart},
    {"--etcd-username", Effect::restart},
    {"--firewall", Effect::restart},
    {"--healthz-ip", Effect::restart},
    {"--healthz-port", Effect::restart},
    {"--iface", Effect::live},
    {"--iface-can-reach", Effect::live},
    {"--iface-regex", Effect::live},
    {"--ip-blackhole-route", Effect::live},
    {"--ip-masq", Effect::live},
    {"--ip-masq-fully-random-disable", Effect::live},
    {"--iptables-forward-rules", Effect::live},
    {"--iptables-resync", Effect::restart},
    {"--keep-privileges", Effect::restart},
    {"--kube-annotation-prefix", Effect::restart},
    {"--kube-api-url", Effect::restart},
    {"--kube-subnet-mgr", Effect::restart},
    {"--kubeconfig-file", Effect::restart},
    {"--log-format", Effect::restart},
    {"--log_backtrace_at", Effect::restart},
    {"--net-config-path", Effect::restart},
    {"--networks", Effect::restart},
    {"--no-offline-start", Effect::restart},
    {"--on-subnet-loss", Effect::live},
    {"--probe-peers", Effect::restart},
    {"--public-ip", Effect::live},
    {"--public-ipv6", Effect::live},
    {"--publish-health", Effect::restart},
    {"--set-node-network-unavailable", Effect::restart},
    {"--state-dir", Effect::restart},
    {"--status-addr", Effect::restart},
    {"--status-token-file", Effect::restart},
    {"--store", Effect::restart},
    {"--subnet-file", Effect::restart},
    {"--subnet-lease-renew-margin", Effect::live},
    {"--subnet-lease-ttl", Effect::restart},
    {"--udp-accept-any", Effect::restart},
    {"--udp-cpus", Effect::restart},
    {"--udp-queues", Effect::restart},
    {"--udp-receive-buffer", Effect::restart},
    {"--udp-send-buffer", Effect::restart},
    {"--v", Effect::live},
    {"--vmodule", Effect::restart},
};

Settings defaults() {
  const auto parsed =
      parse_command_line(Words{}, [](const std::string&) -> const char* { return nullptr; });
  return std::get<Options>(*parsed).settings;
}

TEST(ReloadPlanTest, EachOptionIsEitherLiveOrTakesARestart) {
  const Settings running = defaults();
  std::set<std::string> named;
  for (const auto& [name, effect] : kCases) {
    named.insert(name);
    Settings wanted = running;
    ASSERT_TRUE(wanted.contains(name)) << name;
    wanted[name] = {"another"};
    const ReloadPlan plan = plan_reload(running, wanted);
    EXPECT_EQ(plan.live, effect == Effect::live ? Words{name} : Words{}) << name;
    EXPECT_EQ(plan.restart, effect == Effect::restart ? Words{name} : Words{}) << name;
  }
  for (const auto& [name, values] : running)
    EXPECT_TRUE(named.contains(name)) << name << " is new: is it live, or does it take a restart?";
}

TEST(ReloadPlanTest, WhatIsTheSameIsInNeitherList) {
  EXPECT_EQ(plan_reload(defaults(), defaults()), ReloadPlan{});
}

TEST(ReloadPlanTest, AVariableThatComesOrGoesTakesARestart) {
  const Settings without = defaults();
  Settings with = without;
  with["FLANNEL_OPTIONS"] = {"--v=2"};
  EXPECT_EQ(plan_reload(without, with).restart, Words{"FLANNEL_OPTIONS"});
  EXPECT_EQ(plan_reload(with, without).restart, Words{"FLANNEL_OPTIONS"});
  EXPECT_EQ(plan_reload(with, with), ReloadPlan{});
}

}  // namespace
}  // namespace flannel::reload_plan_test
