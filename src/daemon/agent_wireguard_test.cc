// SPDX-License-Identifier: Apache-2.0
// Hosts change from and to WireGuard, which takes packets only from hosts whose key it knows.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/agent_fixture.h"

namespace flannel::agent_wireguard_test {
namespace {

using std::chrono::seconds;

constexpr const char* kOurKey = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
constexpr const char* kTheirKey = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
constexpr const char* kWireguard = R"({"Network":"10.5.0.0/16","Backend":{"Type":"wireguard"}})";
constexpr const char* kVxlanRoute = "route 10.5.9.0/24 via 10.5.9.0 dev flannel.1 onlink\n";
constexpr const char* kNetworkRoute = "route 10.5.0.0/16 dev flannel-wg\n";

std::string vxlan_lease() {
  return R"({"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VNI":1,)"
         R"("VtepMAC":"02:00:00:00:00:09"},"Backend":{"Type":"vxlan","VNI":1,"Port":8472}})";
}
std::string wireguard_lease(const std::string& key = kTheirKey) {
  return fmt::format(R"({{"PublicIP":"192.0.2.9","BackendType":"wireguard","BackendData":)"
                     R"({{"PublicKey":"{}","Port":51820}},"Backend":{{"Type":"wireguard"}}}})",
                     key);
}
std::string peer_line(const std::string& key = kTheirKey) {
  return fmt::format("wg peer {} dev flannel-wg endpoint 192.0.2.9:51820 allowed-ips 10.5.9.0/24\n",
                     key);
}

using WireguardAgentTest = AgentTest;

TEST_F(WireguardAgentTest, AnnouncesItsKeyAndRoutesTheNetwork) {
  put("10.5.9.0-24", wireguard_lease());
  configure(kWireguard);
  ASSERT_EQ(ready_, 1) << fatal_;
  EXPECT_TRUE(announces(fmt::format(R"("BackendData":{{"PublicKey":"{}","Port":51820}})", kOurKey)))
      << record();
  EXPECT_TRUE(has(peer_line())) << kernel_.dump();
  EXPECT_TRUE(has(kNetworkRoute)) << kernel_.dump();
  EXPECT_TRUE(has("blackhole 10.5.0.0/16\n")) << kernel_.dump();
  EXPECT_FALSE(has("route 10.5.9.0/24")) << kernel_.dump();
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_EQ(agent_->network()->vxlan_devices(), std::vector<std::string>{});
  configure(kVxlan);
  EXPECT_EQ(agent_->network()->vxlan_devices(), std::vector<std::string>{"flannel.1"});
}

TEST_F(WireguardAgentTest, APeerThatChangesFirstIsSentToAsBeforeUntilItCanKnowOurKey) {
  put("10.5.9.0-24", vxlan_lease());
  configure(kVxlan);
  put("10.5.9.0-24", wireguard_lease());
  EXPECT_TRUE(has(kVxlanRoute)) << kernel_.dump();
  EXPECT_TRUE(has(peer_line())) << "it may send by wireguard: " << kernel_.dump();
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  EXPECT_TRUE(has(peer_line())) << "we follow later: " << kernel_.dump();
  configure(kWireguard);
  EXPECT_FALSE(has(kVxlanRoute)) << kernel_.dump();
  EXPECT_TRUE(has(peer_line())) << kernel_.dump();
  EXPECT_TRUE(has(kNetworkRoute)) << kernel_.dump();
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  EXPECT_FALSE(has("flannel.1 ")) << kernel_.dump();
}

TEST_F(WireguardAgentTest, APeerThatLeavesWireguardIsLetInForAMinute) {
  put("10.5.9.0-24", wireguard_lease());
  configure(kWireguard);
  configure(kVxlan);
  EXPECT_TRUE(has("route 10.5.9.0/24 dev flannel-wg\n")) << kernel_.dump();
  EXPECT_FALSE(has("10.5.0.0/16")) << "what we route singly needs no more: " << kernel_.dump();
  put("10.5.9.0-24", vxlan_lease());
  EXPECT_TRUE(has(kVxlanRoute)) << kernel_.dump();
  EXPECT_TRUE(has(peer_line())) << "it may not have seen our lease: " << kernel_.dump();
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  EXPECT_FALSE(has("flannel-wg")) << kernel_.dump();
  EXPECT_TRUE(has(kVxlanRoute)) << kernel_.dump();
}

TEST_F(WireguardAgentTest, APeerThatLeavesIsLetInForAMinuteWhereWireguardStays) {
  put("10.5.9.0-24", wireguard_lease());
  configure(kWireguard);
  put("10.5.9.0-24", vxlan_lease());
  EXPECT_TRUE(has(kVxlanRoute)) << kernel_.dump();
  EXPECT_TRUE(has(peer_line())) << kernel_.dump();
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  EXPECT_FALSE(has("wg peer")) << kernel_.dump();
  EXPECT_TRUE(has(kVxlanRoute)) << kernel_.dump();
}

TEST_F(WireguardAgentTest, AnotherKeyTakesThePlaceOfTheFormer) {
  const std::string other = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";
  put("10.5.9.0-24", wireguard_lease());
  configure(kWireguard);
  put("10.5.9.0-24", wireguard_lease(other));
  EXPECT_TRUE(has(peer_line(other))) << kernel_.dump();
  EXPECT_FALSE(has("wg peer " + std::string(kTheirKey))) << kernel_.dump();
}

TEST_F(WireguardAgentTest, ACopyOfOurKeyFileIsNamed) {
  configure(kWireguard);
  put("10.5.9.0-24", wireguard_lease(kOurKey));
  EXPECT_NE(only_problem().find("it announces our own public key"), std::string::npos)
      << only_problem();
}

TEST_F(WireguardAgentTest, OfTwoLeasesWithOneKeyTheNewerIsReached) {
  configure(kWireguard);
  put("10.5.9.0-24", wireguard_lease());
  put("10.5.8.0-24", wireguard_lease());
  const std::string newer = fmt::format(
      "wg peer {} dev flannel-wg endpoint 192.0.2.9:51820 allowed-ips 10.5.8.0/24\n", kTheirKey);
  EXPECT_TRUE(has(newer)) << kernel_.dump();
  EXPECT_NE(only_problem().find("10.5.9.0/24 cannot be reached: it announces the public key of the "
                                "newer lease 10.5.8.0/24 of 192.0.2.9"),
            std::string::npos)
      << only_problem();
  put("10.5.10.0-24", wireguard_lease());
  EXPECT_TRUE(has("allowed-ips 10.5.10.0/24\n")) << kernel_.dump();
  EXPECT_FALSE(has("allowed-ips 10.5.8.0/24\n")) << kernel_.dump();
  remove("10.5.10.0-24");
  loop_.advance(seconds(10));  // the grace period of a peer that is gone
  loop_.run_until_idle();
  EXPECT_TRUE(has(newer)) << kernel_.dump();
  remove("10.5.8.0-24");
  loop_.advance(seconds(10));
  loop_.run_until_idle();
  EXPECT_TRUE(has(peer_line())) << kernel_.dump();
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(WireguardAgentTest, OneDeviceLetsInNoSubnetOutsideOfTheNetwork) {
  add_ipv6();
  put("10.5.9.0-24&fd00:99::-64",
      fmt::format(
          R"({{"PublicIP":"192.0.2.9","PublicIPv6":"2001:db8::9","BackendType":"wireguard",)"
          R"("BackendData":{{"PublicKey":"{0}"}},"BackendV6Data":{{"PublicKey":"{0}"}}}})",
          kTheirKey));
  configure(R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48",)"
            R"("Backend":{"Type":"wireguard","Mode":"ipv4"}})");
  EXPECT_TRUE(has(peer_line())) << kernel_.dump();
  EXPECT_NE(only_problem().find("fd00:99::/64 is outside of the network fd00:5::/48"),
            std::string::npos)
      << only_problem();
}

TEST_F(WireguardAgentTest, ADeviceThatAnotherModeAddsIsLocked) {
  const auto config = [](const char* mode) {
    return fmt::format(R"({{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48",)"
                       R"("Backend":{{"Type":"wireguard","Mode":"{}"}}}})",
                       mode);
  };
  add_ipv6();
  configure(config("ipv4"));
  EXPECT_EQ(std::ranges::count(locked_, "flannel-wg-v6"), 0);
  taken_ = "flannel-wg-v6";
  configure(config("separate"));
  EXPECT_FALSE(has("link flannel-wg-v6")) << kernel_.dump();
  EXPECT_NE(only_problem().find("flannel-wg-v6 is taken"), std::string::npos) << only_problem();
  taken_.clear();
  configure(config("ipv6"));
  configure(config("separate"));
  EXPECT_EQ(std::ranges::count(locked_, "flannel-wg-v6"), 1);
  EXPECT_EQ(std::ranges::count(locked_, "flannel-wg"), 1);
  EXPECT_TRUE(has("link flannel-wg-v6")) << kernel_.dump();
}

// Upstream's device stays where its daemon was killed.
TEST_F(WireguardAgentTest, ADeviceThatIsThereIsTakenOver) {
  put("10.5.9.0-24", wireguard_lease());
  configure(kWireguard);
  const std::string had = kernel_.dump();
  kernel_.take_log();
  start_agent();
  EXPECT_EQ(kernel_.take_log(), "");
  EXPECT_EQ(kernel_.dump(), had);
}

}  // namespace
}  // namespace flannel::agent_wireguard_test
