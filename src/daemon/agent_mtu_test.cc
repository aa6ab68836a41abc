// SPDX-License-Identifier: Apache-2.0
// Hosts and their containers have different MTUs, or backends, for a while.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/agent_fixture.h"

namespace flannel::agent_mtu_test {
namespace {

using std::chrono::seconds;

constexpr const char* kSmallVxlan =
    R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":1400}})";

class AgentMtuTest : public AgentTest {
 protected:
  // A lease of this release, with more members of its Backend.
  static std::string vxlan_peer(const std::string& more) {
    return R"({"PublicIP":"192.0.2.9","PublicIPv6":null,"BackendType":"vxlan",)"
           R"("BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"},)"
           R"("Backend":{"Type":"vxlan","VNI":1,"Port":8472)" +
           more + "}}";
  }
};

TEST_F(AgentMtuTest, ARouteHasTheSmallerMtuOfBothEnds) {
  const auto peer_has = [this](int mtu) {
    put("10.5.9.0-24", vxlan_peer(fmt::format(R"(,"MTU":{})", mtu)));
  };
  const std::string plain = "put route 10.5.9.0/24 via 10.5.9.0 dev flannel.1 onlink";
  peer_has(1450);
  configure(kVxlan);
  EXPECT_TRUE(announces(R"("Port":8472,"MTU":1450})"));
  kernel_.take_log();
  peer_has(1350);
  EXPECT_EQ(kernel_.take_log(), plain + " mtu 1350\n") << "the peer goes first";
  configure(kSmallVxlan);
  EXPECT_TRUE(announces(R"("Port":8472,"MTU":1350})"));
  const std::string both = kernel_.take_log();
  EXPECT_NE(both.find("mtu 1350 mac"), std::string::npos) << both;
  EXPECT_TRUE(both.ends_with(plain + "\n")) << both;
  configure(kVxlan);
  EXPECT_TRUE(kernel_.take_log().ends_with(plain + " mtu 1350\n"));
  peer_has(1450);
  EXPECT_EQ(kernel_.take_log(), plain + "\n");
}

TEST_F(AgentMtuTest, ContainersThatKeepALargerMtuAreNamed) {
  configure(kVxlan);
  EXPECT_TRUE(asked_[Family::v4].ports);
  traffic_[Family::v4].ports = {{"docker0", "veth1", 1450}, {"docker0", "veth2", 1350}};
  configure(kSmallVxlan);
  EXPECT_EQ(only_problem().find("host: containers at 1 port of docker0 have a larger MTU (1450"),
            0U)
      << only_problem();
  EXPECT_TRUE(agent_->ready());
  host_.interfaces[0].mtu = 1350;
  agent_->check_underlay();
  loop_.advance(seconds(2));
  EXPECT_NE(only_problem().find("at 2 ports"), std::string::npos) << only_problem();
  traffic_.clear();
  loop_.advance(seconds(61));
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentMtuTest, AStrictCheckOfSourcesIsNamedWhileItDropsWhatPeersSendToAHostGwHost) {
  put("10.5.9.0-24", vxlan_peer(""));
  traffic_[Family::v4] = {.one_way_is_strict = true, .refused_sources = 100};
  configure(kHostGw);
  EXPECT_EQ(asked_[Family::v4].one_way, "eth0");
  EXPECT_EQ(problems(), std::vector<std::string>{}) << "dropped before";
  traffic_[Family::v4].refused_sources = 103;
  loop_.advance(seconds(61));
  EXPECT_EQ(only_problem().find("host: rp_filter of eth0 is 1 (strict)"), 0U) << only_problem();
  loop_.advance(seconds(61));
  EXPECT_EQ(problems(), std::vector<std::string>{}) << "no more were dropped";
}

}  // namespace
}  // namespace flannel::agent_mtu_test
