// SPDX-License-Identifier: Apache-2.0
// The calls of the agent to the packet filter, and what readiness requires of it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/agent_fixture.h"

namespace flannel::agent_rules_test {
namespace {

TEST_F(AgentTest, ReadyAndTheFileWaitForTheRules) {
  rules_.there = false;
  rules_.wrong = "no iptables";
  configure(kHostGw);
  EXPECT_EQ(rules_.wanted,
            "10.5.0.0/16 " + to_string(agent_->network()->keeper().lease()->subnet.identity()));
  EXPECT_EQ(ready_, 0);
  EXPECT_FALSE(std::filesystem::exists(subnet_file()));
  EXPECT_TRUE(only_problem().starts_with("packet filter: no iptables; remedy: "));
  rules_.there = true;
  rules_.wrong.clear();
  agent_->rules_changed();
  loop_.run_until_idle();
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(std::filesystem::exists(subnet_file()));
}

// The file of this run has the networks of this run only.
TEST_F(AgentTest, TheRulesAreToldTheNetworksOfTheRunBefore) {
  std::filesystem::create_directories(std::filesystem::path(subnet_file()).parent_path());
  std::ofstream(subnet_file())
      << "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_IPV6_NETWORK=fd00:12::/56\n";
  configure(kHostGw);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(rules_.earlier_networks, (std::vector{IpPrefix::parse_v4("10.5.0.0/16").value(),
                                                  IpPrefix::parse_v6("fd00:12::/56").value()}));
  start_agent();
  loop_.run_until_idle();
  EXPECT_EQ(rules_.earlier_networks, std::vector{IpPrefix::parse_v4("10.5.0.0/16").value()});
}

TEST_F(AgentTest, TheRulesGetTheDevicesAndTheUnderlay) {
  put("10.5.9.0-24", peer_value("192.0.2.9", "vxlan"));
  configure(kVxlan);
  EXPECT_EQ(rules_.admitted,
            (OverlayIngress{.devices = {{"flannel.1", Family::v4}}, .underlay = "eth0"}));
}

TEST_F(AgentTest, PeersThatSendUnwrappedAreNamedToTheRules) {
  configure(kHostGw);
  const std::string peer = R"({"PublicIP":"192.0.2.9","BackendType":"host-gw"})";
  put("10.5.9.0-24", peer);
  put("10.5.8.0-24", peer);
  EXPECT_EQ(rules_.admitted,
            (OverlayIngress{.underlay = "eth0", .neighbours = {IpAddress::v4(192, 0, 2, 9)}}));
  remove("10.5.9.0-24");
  remove("10.5.8.0-24");
  loop_.advance(std::chrono::minutes(2));  // the last peer of all is looked for twice
  EXPECT_EQ(rules_.admitted, (OverlayIngress{.underlay = "eth0"}));
}

}  // namespace
}  // namespace flannel::agent_rules_test
