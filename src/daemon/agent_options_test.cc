// SPDX-License-Identifier: Apache-2.0
// Options that change while the agent runs.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "support/agent_fixture.h"

namespace flannel::agent_options_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class AgentOptionsTest : public AgentTest {
 protected:
  // Gives the host a second interface.
  void add_eth1() {
    host_.interfaces.push_back({.index = 3,
                                .name = "eth1",
                                .mtu = 1500,
                                .up = true,
                                .addresses = {{.ip = IpAddress::v4(198, 51, 100, 1), .bits = 24}}});
    kernel_.add_foreign_device("eth1", "198.51.100.1/24");
  }
  bool file_has(const std::string& line) const {
    return read_file(subnet_file()).value().find(line) != std::string::npos;
  }
};

TEST_F(AgentOptionsTest, TheFileFollowsMasqueradingOnceTheRulesAreInPlace) {
  configure(kVxlan);
  options_.ip_masq = true;
  rules_.there = false;
  reconfigure();
  EXPECT_TRUE(file_has("FLANNEL_IPMASQ=false"));
  rules_.there = true;
  agent_->rules_changed();
  EXPECT_TRUE(file_has("FLANNEL_IPMASQ=true"));
  options_.ip_masq = false;
  reconfigure();
  EXPECT_TRUE(file_has("FLANNEL_IPMASQ=false"));
  EXPECT_TRUE(agent_->ready());
}

TEST_F(AgentOptionsTest, AnotherInterfaceTakesTheUnderlayWithTheSameSubnet) {
  configure(kVxlan);
  add_eth1();
  kernel_.take_log();
  options_.underlay.interfaces = {"eth1"};
  reconfigure();
  EXPECT_EQ(agent_->network()->underlay().interface, "eth1");
  EXPECT_TRUE(announces(R"("PublicIP":"198.51.100.1")"));
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  EXPECT_EQ(problems(), std::vector<std::string>{});
  const std::string done = kernel_.take_log();
  EXPECT_EQ(done.find("remove"), std::string::npos) << done;
  options_.underlay.interfaces = {};
  reconfigure();
  EXPECT_EQ(agent_->network()->underlay().interface, "eth0") << "by the default route";
}

TEST_F(AgentOptionsTest, APublicIpIsAnnounced) {
  configure(kVxlan);
  options_.underlay.interfaces = {"eth0"};
  options_.underlay.public_ip = "203.0.113.7";
  reconfigure();
  EXPECT_TRUE(announces(R"("PublicIP":"203.0.113.7")"));
  EXPECT_EQ(agent_->network()->underlay().interface, "eth0");
}

TEST_F(AgentOptionsTest, AnInterfaceThatIsNotThereLeavesTheRunningOneUntilItComes) {
  configure(kVxlan);
  options_.underlay.interfaces = {"eth1"};
  reconfigure();
  EXPECT_EQ(only_problem().find("underlay: eth0 stays in use, another one was asked for: "), 0U)
      << only_problem();
  EXPECT_NE(only_problem().find("eth1"), std::string::npos);
  EXPECT_TRUE(agent_->ready());
  EXPECT_TRUE(announces(R"("PublicIP":"192.0.2.1")"));
  configure(R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":7}})");
  EXPECT_EQ(only_problem().find("underlay: eth0 stays in use"), 0U)
      << "a change of the configuration does not forget it: " << only_problem();
  add_eth1();
  loop_.advance(seconds(6));  // without a notification
  EXPECT_EQ(agent_->network()->underlay().interface, "eth1");
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentOptionsTest, TheOldInterfaceMayBeAskedForAgain) {
  configure(kVxlan);
  options_.underlay.interfaces = {"eth1"};
  reconfigure();
  options_.underlay.interfaces = {};
  reconfigure();
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_EQ(agent_->network()->underlay().interface, "eth0");
}

TEST_F(AgentOptionsTest, AnInterfaceThatCannotCarryTheBackendLeavesTheRunningOne) {
  configure(kVxlan);
  add_eth1();
  host_.interfaces[1].mtu = 100;
  options_.underlay.interfaces = {"eth1"};
  reconfigure();
  EXPECT_NE(only_problem().find("eth1 takes only 100"), std::string::npos) << only_problem();
  EXPECT_EQ(agent_->network()->underlay().interface, "eth0");
  host_.interfaces[1].mtu = 1400;
  loop_.advance(seconds(6));
  EXPECT_EQ(agent_->network()->underlay().interface, "eth1");
  EXPECT_TRUE(file_has("FLANNEL_MTU=1350"));
}

TEST_F(AgentOptionsTest, TheBlackholeRouteComesAndGoes) {
  configure(kVxlan);
  EXPECT_EQ(kernel_.dump().find("blackhole"), std::string::npos);
  options_.ip_blackhole_route = true;
  reconfigure();
  EXPECT_NE(kernel_.dump().find("blackhole"), std::string::npos) << kernel_.dump();
  options_.ip_blackhole_route = false;
  reconfigure();
  EXPECT_EQ(kernel_.dump().find("blackhole"), std::string::npos) << kernel_.dump();
}

TEST_F(AgentOptionsTest, AnotherMarginRenewsTheLease) {
  configure(kVxlan);
  loop_.advance(hours(1));
  const TimePoint before = agent_->network()->keeper().expires();
  options_.keeper.renew_margin = hours(20);
  reconfigure();
  EXPECT_EQ(agent_->network()->keeper().expires(), before + hours(1));
}

TEST_F(AgentOptionsTest, OptionsThatComeBeforeTheConfigurationCount) {
  add_eth1();
  options_.underlay.interfaces = {"eth1"};
  options_.ip_masq = true;
  reconfigure();
  configure(kVxlan);
  EXPECT_EQ(agent_->network()->underlay().interface, "eth1");
  EXPECT_TRUE(file_has("FLANNEL_IPMASQ=true"));
}

TEST_F(AgentOptionsTest, OptionsThatAreNotInForceAreProblems) {
  configure(kVxlan);
  option_problems_ = {make_problem(kOptionAtRestart, "--healthz-port", "it changed")};
  EXPECT_EQ(only_problem(), "option: it changed; remedy: restart flanneld to take it");
  EXPECT_TRUE(agent_->ready());
}

}  // namespace
}  // namespace flannel::agent_options_test
