// SPDX-License-Identifier: Apache-2.0
// Changes of the configuration while the agent runs: what stays, what is put beside it, and what
// goes at last.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "support/agent_fixture.h"

namespace flannel::agent_change_test {
namespace {

using std::chrono::seconds;

constexpr const char* kVxlanOfV6 =
    R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:5::/48","Backend":{"Type":"vxlan"}})";

std::string config_of(const std::string& backend) {
  return R"({"Network":"10.5.0.0/16","Backend":)" + backend + "}";
}
std::string backend_of(const std::string& type) {
  return R"({"Type":")" + type + "\"}";
}

// What a host of this release announces with this backend.
std::string announcing(const std::string& type, const std::string& more = "") {
  std::string value = R"({"PublicIP":"192.0.2.9","PublicIPv6":null)";
  if (type == "host-gw" || type == "vxlan") value += R"(,"BackendType":")" + type + '"';
  if (type == "vxlan") value += R"(,"BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"})";
  std::string port = type == "udp" ? R"(,"Port":8285)" : "";
  if (type == "vxlan") port = R"(,"VNI":1,"Port":8472)";
  return value + R"(,"Backend":{"Type":")" + type + '"' + (more.empty() ? port : more) + "}}";
}

using ChangeTest = AgentTest;

class BackendPairTest : public ChangeTest,
                        public ::testing::WithParamInterface<std::pair<std::string, std::string>> {
 protected:
  // How packets reach the peer.
  std::string way(const std::string& type) const {
    if (type == "vxlan") return "route 10.5.9.0/24 via 10.5.9.0 dev flannel.1 onlink\n";
    if (type == "host-gw") return "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n";
    return type == "udp" ? "route 10.5.9.0/24 dev flannel3\n" : "";
  }
};

TEST_P(BackendPairTest, EachHostSwitchesAtItsOwnTime) {
  const auto& [before, after] = GetParam();
  put("10.5.9.0-24", announcing(before));
  configure(config_of(backend_of(before)));
  ASSERT_EQ(ready_, 1) << fatal_;
  const std::string subnet = own_key();
  kernel_.take_log();

  configure(config_of(backend_of(after)));
  EXPECT_EQ(own_key(), subnet);
  EXPECT_TRUE(announces("\"Backend\":{\"Type\":\"" + after + '"')) << record();
  EXPECT_TRUE(has(way(before))) << "the peer has not switched: " << kernel_.dump();
  EXPECT_EQ(problems(), std::vector<std::string>{});

  put("10.5.9.0-24", announcing(after));
  if (after != "udp") {
    EXPECT_TRUE(has(way(after))) << kernel_.dump();
  }
  const std::string done = kernel_.take_log();
  const bool goes_to_nothing = before == "alloc" || after == "alloc" || after == "udp";
  if (!goes_to_nothing) {
    EXPECT_EQ(done.find("remove route 10.5.9.0/24"), std::string::npos) << done;
  }
  loop_.advance(Dataplanes::kLinger + seconds(1));
  loop_.run_until_idle();
  const std::string left = kernel_.dump();
  for (const auto& [type, device] : {std::pair{"vxlan", "flannel.1"}, {"udp", "flannel3"}}) {
    EXPECT_EQ(left.find(device) != std::string::npos, after == type) << left;
  }
  EXPECT_TRUE(agent_->ready());
}

std::vector<std::pair<std::string, std::string>> all_pairs() {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const char* before : {"udp", "vxlan", "host-gw", "alloc"}) {
    for (const char* after : {"udp", "vxlan", "host-gw", "alloc"}) {
      if (std::string_view(before) != after) pairs.emplace_back(before, after);
    }
  }
  return pairs;
}

std::string name_of(const ::testing::TestParamInfo<BackendPairTest::ParamType>& pair) {
  std::string name = pair.param.first + "To" + pair.param.second;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, BackendPairTest, ::testing::ValuesIn(all_pairs()), name_of);

TEST_F(ChangeTest, TwoVnisHaveADeviceEach) {
  put("10.5.9.0-24", announcing("vxlan"));
  configure(config_of(backend_of("vxlan")));
  configure(config_of(R"({"Type":"vxlan","VNI":7})"));
  EXPECT_TRUE(announces(R"("BackendData":{"VNI":7)")) << record();
  EXPECT_TRUE(has("link flannel.7")) << kernel_.dump();
  EXPECT_TRUE(has("route 10.5.9.0/24 via 10.5.9.0 dev flannel.1")) << kernel_.dump();
}

TEST_F(ChangeTest, APeerThatAnnouncesAnotherVniFirstIsReachedByThat) {
  configure(config_of(backend_of("vxlan")));
  std::string value = announcing("vxlan", R"(,"VNI":7,"Port":8472)");
  value.replace(value.find("{\"VNI\":1"), 8, "{\"VNI\":7");
  put("10.5.9.0-24", value);
  EXPECT_TRUE(has("route 10.5.9.0/24 via 10.5.9.0 dev flannel.7")) << kernel_.dump();
  EXPECT_TRUE(announces(R"("BackendData":{"VNI":1)")) << record();
}

// host-gw asks for the routes to peers whenever the underlay is checked, which happens when there
// is another device to watch.
TEST_F(ChangeTest, TheDeviceOfAnotherBackendIsThereBeforeWhatNeedsIt) {
  configure(kHostGw);
  std::string value = announcing("vxlan", R"(,"VNI":7,"Port":8472)");
  value.replace(value.find("{\"VNI\":1"), 8, "{\"VNI\":7");
  kernel_.take_log();
  put("10.5.9.0-24", value);
  const std::string done = kernel_.take_log();
  EXPECT_LT(done.find("link flannel.7"), done.find("dev flannel.7")) << done;
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(ChangeTest, AHostThatStartsInTheMidstOfAChangeReachesThoseWhoHaveNotSwitched) {
  put("10.5.9.0-24", announcing("udp", R"(,"Port":8299)"));
  configure(config_of(backend_of("vxlan")));
  EXPECT_EQ(path_.settings.peer_port, 8299);
  EXPECT_TRUE(has("route 10.5.9.0/24 dev flannel3")) << kernel_.dump();
  EXPECT_TRUE(has("addr 10.5.1.0/32 dev flannel3")) << "no route for the network";
  ASSERT_FALSE(path_.tables.empty());
  EXPECT_EQ(*path_.tables.back()->find(IpAddress::v4(10, 5, 9, 1)),
            (IpEndpoint{IpAddress::v4(192, 0, 2, 9), 8299}));
}

TEST_F(ChangeTest, AUdpPathTakesPacketsOfPeersThatHaveSwitchedAlready) {
  configure(kUdp);
  put("10.5.9.0-24", announcing("vxlan"));
  EXPECT_TRUE(has("route 10.5.9.0/24 via 10.5.9.0 dev flannel.1")) << kernel_.dump();
  EXPECT_NE(path_.tables.back()->find(IpAddress::v4(10, 5, 9, 1)), nullptr);
}

TEST_F(ChangeTest, ARecordThatCannotBeUsedOpensNothing) {
  configure(kUdp);
  put("10.5.9.0-24", peer_value("192.0.2.9", "vxlan"));  // without a MAC
  put("10.5.8.0-24", peer_value("192.0.2.8", "teleport"));
  EXPECT_FALSE(has("flannel.1")) << kernel_.dump();
  EXPECT_EQ(agent_->network()->planes().all().size(), 1U);
  EXPECT_EQ(agent_->network()->overlay().unreachable().named().size(), 2U);
}

TEST_F(ChangeTest, RecordsCannotMakeAHostOpenAnyNumberOfDevices) {
  configure(kVxlan);
  for (int vni = 2; vni < 20; ++vni) {
    std::string value = announcing("vxlan", fmt::format(R"(,"VNI":{},"Port":8472)", vni));
    value.replace(value.find("{\"VNI\":1"), 8, fmt::format("{{\"VNI\":{}", vni));
    value.replace(value.find("192.0.2.9"), 9, fmt::format("192.0.2.{}", 100 + vni));
    value.replace(value.find("02:00:00:00:00:09"), 17, fmt::format("02:00:00:00:01:{:02}", vni));
    put(fmt::format("10.5.{}.0-24", 100 + vni), value);
  }
  EXPECT_EQ(agent_->network()->planes().all().size(), Dataplanes::kMost);
  EXPECT_EQ(agent_->network()->overlay().unreachable().named().size(),
            18 - (Dataplanes::kMost - 1));
}

TEST_F(ChangeTest, ALeaseAnnouncesWhatIsInPlace) {
  configure(kHostGw);
  kernel_.refuse("flannel.1", {ErrorKind::exists, "UDP port 8472 is taken"});
  configure(kVxlan);
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")")) << record();
  EXPECT_FALSE(agent_->ready());
  kernel_.heal();
  loop_.advance(seconds(31));
  loop_.run_until_idle();
  EXPECT_TRUE(announces(R"("BackendType":"vxlan")")) << record();
  EXPECT_TRUE(agent_->ready());
}

TEST_F(ChangeTest, ANetworkThatIsNotAdoptedLeavesTheLockOnTheRunningOne) {
  configure(config_of(backend_of("host-gw")));
  ASSERT_EQ(locked_.back(), "10.5.0.0/16");
  taken_ = "flannel.1";
  configure(R"({"Network":"10.4.0.0/15","Backend":{"Type":"vxlan"}})");
  EXPECT_EQ(locked_.back(), "10.5.0.0/16");
  taken_ = "10.4.0.0/15";
  configure(R"({"Network":"10.4.0.0/15","Backend":{"Type":"host-gw"}})");
  EXPECT_EQ(locked_.back(), "10.5.0.0/16") << "another daemon has the wider network";
  taken_.clear();
  loop_.advance(seconds(11));
  loop_.run_until_idle();
  EXPECT_EQ(locked_.back(), "10.4.0.0/15");
}

TEST_F(ChangeTest, WhatThisHostCannotAdoptLeavesTheRunningConfigurationInForce) {
  configure(kHostGw);
  taken_ = "flannel.1";
  configure(kVxlan);
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")")) << record();
  EXPECT_EQ(
      only_problem(),
      "config: flannel.1 is taken; the running one stays in force; remedy: remove the reason, or "
      "correct it with \"flannelctl config set\"");
  EXPECT_TRUE(agent_->ready());
  taken_.clear();
  loop_.advance(seconds(11));
  loop_.run_until_idle();
  EXPECT_TRUE(announces(R"("BackendType":"vxlan")")) << record();
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(ChangeTest, AnInvalidConfigurationChangesNothing) {
  configure(kHostGw);
  configure(config_of(R"({"Type":"vxlan","VNI":"7"})"));
  EXPECT_NE(only_problem().find("VNI"), std::string::npos) << only_problem();
  EXPECT_TRUE(announces(R"("BackendType":"host-gw")")) << record();
}

TEST_F(ChangeTest, TheNetworkGrowsAroundTheLeases) {
  put("10.5.9.0-24", announcing("udp"));
  configure(kUdp);
  configure(R"({"Network":"10.4.0.0/15","SubnetLen":25,"Backend":{"Type":"udp"}})");
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  EXPECT_TRUE(has("addr 10.5.1.0/15 dev flannel3")) << kernel_.dump();
  EXPECT_FALSE(has("10.5.1.0/16")) << kernel_.dump();
  EXPECT_NE(read_file(subnet_file()).value().find("FLANNEL_NETWORK=10.4.0.0/15"),
            std::string::npos);
  EXPECT_EQ(rules_.earlier_networks, std::vector{*IpPrefix::parse_v4("10.5.0.0/16")});
  put("10.4.7.0-24", R"({"PublicIP":"192.0.2.7"})");
  EXPECT_NE(path_.tables.back()->find(IpAddress::v4(10, 4, 7, 1)), nullptr);
}

TEST_F(ChangeTest, HostsOutsideOfANetworkThatShrinksGoOn) {
  put("10.5.9.0-24", announcing("host-gw"));
  configure(kHostGw);
  configure(R"({"Network":"10.5.128.0/17","Backend":{"Type":"host-gw"}})");
  loop_.advance(seconds(70));
  loop_.run_until_idle();
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  EXPECT_TRUE(has("route 10.5.9.0/24 via 192.0.2.9 dev eth0")) << kernel_.dump();
  EXPECT_EQ(only_problem().find("lease: our subnet 10.5.1.0/24 is outside of the network "
                                "10.5.128.0/17"),
            0U)
      << only_problem();
  EXPECT_TRUE(agent_->ready());
}

TEST_F(ChangeTest, AHostWithAnotherAddressKeepsItsSubnet) {
  put("10.5.9.0-24", announcing("vxlan"));
  configure(kVxlan);
  kernel_.take_log();
  host_.interfaces[0].addresses[0].ip = IpAddress::v4(192, 0, 2, 77);
  agent_->check_underlay();
  EXPECT_TRUE(announces(R"("PublicIP":"192.0.2.1")")) << "it may come back at once";
  loop_.advance(seconds(11));
  loop_.run_until_idle();
  EXPECT_TRUE(announces(R"("PublicIP":"192.0.2.77")")) << record();
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  EXPECT_TRUE(has("local 192.0.2.77")) << kernel_.dump();
  const std::string done = kernel_.take_log();
  EXPECT_EQ(done.find("remove"), std::string::npos) << done;
  EXPECT_EQ(done.find("recreate"), std::string::npos) << done;
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_TRUE(agent_->ready());
}

TEST_F(ChangeTest, TheMtuOfTheUnderlayIsFollowed) {
  configure(kVxlan);
  host_.interfaces[0].mtu = 1400;
  agent_->check_underlay();
  loop_.run_until_idle();
  EXPECT_TRUE(has("mtu 1350")) << kernel_.dump();
  EXPECT_NE(read_file(subnet_file()).value().find("FLANNEL_MTU=1350"), std::string::npos);
  host_.interfaces[0].mtu = 100;
  agent_->check_underlay();
  EXPECT_EQ(only_problem(),
            "underlay: eth0 has changed: network config: Backend: vxlan adds 50 bytes to a packet, "
            "and eth0 takes only 100; remedy: remove the reason, or restart flanneld");
  EXPECT_TRUE(has("mtu 1350")) << kernel_.dump();
}

TEST_F(ChangeTest, FamiliesComeAndGoWhileTheSubnetStays) {
  add_ipv6();
  start_agent();
  configure(kVxlan);
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  configure(kVxlanOfBoth);
  EXPECT_EQ(own_key().substr(0, 12), "10.5.1.0-24&");
  EXPECT_TRUE(has("link flannel-v6.1")) << kernel_.dump();
  EXPECT_TRUE(has("addr fd00:5")) << kernel_.dump();
  EXPECT_NE(read_file(subnet_file()).value().find("FLANNEL_IPV6_SUBNET"), std::string::npos);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  configure(kVxlan);
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  EXPECT_FALSE(has("addr fd00:5")) << kernel_.dump();
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

// The report of the new record comes before the answer that makes it the lease.
TEST_F(ChangeTest, TheOnlyFamilyIsExchangedForTheOther) {
  add_ipv6();
  start_agent();
  configure(kVxlan);
  configure(kVxlanOfV6);
  EXPECT_EQ(own_key().substr(0, 10), "0.0.0.0-0&");
  EXPECT_TRUE(has("addr fd00:5")) << kernel_.dump();
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

// Without IPv6 this host has no IPv6 address that another one could claim.
TEST_F(ChangeTest, AClaimToAnAddressOfAFamilyThatGoesHasNoEffectAnyMore) {
  add_ipv6();
  start_agent();
  configure(kVxlanOfBoth);
  put("10.5.9.0-24", R"({"PublicIP":"192.0.2.9","PublicIPv6":"2001:db8::1","BackendType":"vxlan",)"
                     R"("BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"},)"
                     R"("NodeID":"da325bf37612b4568b8586f622207514/62dbf0eb"})");
  EXPECT_NE(only_problem().find("is our own"), std::string::npos) << only_problem();
  EXPECT_FALSE(has("route 10.5.9.0/24")) << kernel_.dump();
  configure(kVxlan);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_TRUE(has("route 10.5.9.0/24")) << kernel_.dump();
}

}  // namespace
}  // namespace flannel::agent_change_test
