// SPDX-License-Identifier: Apache-2.0
// What the agent makes of a host that does not carry its packets.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "support/agent_fixture.h"

namespace flannel::agent_host_test {
namespace {

using namespace std::chrono_literals;

TEST_F(AgentTest, AHostOnWhichNoPacketPassesIsNotReady) {
  configure(kHostGw);
  for (const auto& change : std::initializer_list<std::function<void(Interface&)>>{
           [](Interface& eth0) { eth0.up = eth0.carrier = false; },
           [](Interface& eth0) { eth0.carrier = false; },
           [](Interface& eth0) { eth0.addresses[0].ip = IpAddress::v4(192, 0, 2, 7); },
           [](Interface& eth0) { eth0.addresses.clear(); }}) {
    change(host_.interfaces[0]);
    agent_->check_underlay();
    EXPECT_FALSE(agent_->ready()) << only_problem();
    EXPECT_NE(only_problem().find("underlay: eth0 "), std::string::npos) << only_problem();
    host_ = host();
    agent_->check_underlay();
    EXPECT_TRUE(agent_->ready());
  }
  EXPECT_EQ(ready_, 1) << "it is said once, at the start";
}

// The name is for people; everything that is on the device goes on.
TEST_F(AgentTest, ARenamedUnderlayInterfaceStaysTheUnderlay) {
  configure(R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}})");
  put("10.5.9.0-24",
      R"({"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}})");
  kernel_.take_log();
  host_.interfaces[0].name = "wan";
  kernel_.rename_device("eth0", "wan");
  agent_->check_underlay();
  loop_.advance(5min);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(kernel_.take_log(), "put route 10.5.9.0/24 via 192.0.2.9 dev wan\n");
  EXPECT_EQ(rules_.admitted.underlay, "wan");
  EXPECT_EQ(agent_->network()->underlay().interface, "wan");
}

TEST_F(AgentTest, AHostThatForwardsNothingIsReadyWithAProblem) {
  traffic_[Family::v4] = {.ip_forward = false, .not_forwarding = {"flannel.1"}};
  configure(kVxlan);
  EXPECT_EQ(asked_[Family::v4].devices, std::vector<std::string>{"flannel.1"});
  EXPECT_EQ(ready_, 1) << "Docker, which waits for it, sets that itself";
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(only_problem().find("host: net.ipv4.ip_forward is 0"), 0U) << only_problem();
  ::testing::internal::CaptureStderr();
  traffic_.clear();
  agent_->suspect_host();
  loop_.advance(2s);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(log.find('I'), 0U) << log;
  EXPECT_NE(log.find("over: this host forwards no IPv4 code=ip-forward-off"), std::string::npos)
      << log;
}

TEST_F(AgentTest, TheHostIsCheckedInEachFamilyOfTheLease) {
  add_ipv6();
  traffic_[Family::v4] = {.ip_forward = false, .not_forwarding = {"flannel.1"}};
  traffic_[Family::v6] = {.ip_forward = false, .not_forwarding = {"flannel-v6.1"}};
  configure(kVxlanOfBoth);
  ASSERT_EQ(asked_.size(), 2U);
  // Both devices carry both families; the one with the address of the family is the first.
  const std::vector<std::string> for_v4{"flannel.1", "flannel-v6.1"};
  EXPECT_EQ(asked_[Family::v4].devices, for_v4);
  EXPECT_EQ(asked_[Family::v6].devices, std::vector(for_v4.rbegin(), for_v4.rend()));
  EXPECT_EQ(asked_[Family::v6].own_subnet, agent_->network()->keeper().lease()->subnet.v6);
  const auto all = problems();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(all[0].starts_with("host: net.ipv4.ip_forward is 0")) << all[0];
  EXPECT_TRUE(all[1].starts_with("host: net.ipv6.conf.all.forwarding is 0")) << all[1];

  const IpPrefix own = *agent_->network()->keeper().lease()->subnet.v6;
  traffic_.clear();
  traffic_[Family::v6] = {.bridges = {"docker0"},
                          .routes = {{own, "tun3", 7}, {own, "docker0", 256}}};
  agent_->refresh();
  EXPECT_FALSE(agent_->ready());
  EXPECT_TRUE(only_problem().starts_with("host: the route " + to_string(own) +
                                         " dev tun3 goes before that of docker0"))
      << only_problem();
}

TEST_F(AgentTest, WhatKeepsTheHostFromBeingReadIsOneProblemInTwoFamilies) {
  add_ipv6();
  unreadable_ = "list routes: not permitted";
  configure(kVxlanOfBoth);
  EXPECT_TRUE(only_problem().starts_with("host: list routes: not permitted; remedy: "));
}

TEST_F(AgentTest, AHostWhoseContainersAreNotReachableIsNotReady) {
  configure(kHostGw);
  EXPECT_EQ(asked_[Family::v4].devices, std::vector<std::string>{"eth0"});
  const IpPrefix own = agent_->network()->keeper().lease()->subnet.identity();
  traffic_[Family::v4].bridges = {"docker0"};
  traffic_[Family::v4].routes = {{own, "tun3", 0}, {own, "docker0", 0}};
  agent_->refresh();
  EXPECT_FALSE(agent_->ready());
  EXPECT_EQ(only_problem().find("host: the route 10.5.1.0/24 dev tun3 goes before"), 0U)
      << only_problem();
  traffic_[Family::v4].routes.erase(traffic_[Family::v4].routes.begin());
  loop_.advance(61s);  // without a notification
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, PeersThatCannotBeReachedAreNamed) {
  host_.lookup_route = [this](IpAddress) {
    return Result<RouteLookup>(RouteLookup{.interface_index = 2, .source = {}, .gateway = router_});
  };
  configure(kHostGw);
  put("10.5.8.0-24", peer_value("192.0.2.8", "ipsec"));
  EXPECT_EQ(
      only_problem(),
      "peers: 10.5.8.0/24 cannot be reached: ignoring non-host-gw subnet: it announces the "
      "backend \"ipsec\"; remedy: correct its lease or its backend at that host, or the way to "
      "it");
  router_ = IpAddress::v4(192, 0, 2, 254);
  for (int i = 10; i < 100; ++i) {
    put(fmt::format("10.5.{}.0-24", i), peer_value(fmt::format("192.0.2.{}", i)));
  }
  ASSERT_EQ(problems().size(), 11U);
  EXPECT_TRUE(
      problems()[0].starts_with("peers: 10.5.10.0/24 cannot be reached: 192.0.2.10 is not "
                                "on the link of eth0, so host-gw cannot reach it; vxlan "
                                "could; remedy: "));
  EXPECT_EQ(problems()[10], "peers: 81 more like these");
  EXPECT_EQ(kernel_.dump(), "") << "the kernel was not asked in vain";
  router_.reset();
  loop_.advance(61s);  // without a notification
  EXPECT_EQ(agent_->network()->overlay().unreachable().named().size(), 1U);
}

TEST_F(AgentTest, ARecordOfAnotherHostWithOurMacIsAProblem) {
  configure(kVxlan);
  const std::string data = agent_->network()->keeper().lease()->attributes.backend_data;
  put("10.5.9.0-24",
      R"({"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":)" + data + "}");
  EXPECT_EQ(only_problem().find("lease: 10.5.9.0-24: "), 0U) << only_problem();
  EXPECT_EQ(kernel_.dump().find("10.5.9.0"), std::string::npos) << kernel_.dump();
  remove("10.5.9.0-24");
  loop_.advance(5s);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, APeerThatIsOffTheLinkByNowLosesItsRouteAndGetsItBack) {
  host_.lookup_route = [this](IpAddress) {
    return Result<RouteLookup>(RouteLookup{.interface_index = 2, .source = {}, .gateway = router_});
  };
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  router_ = IpAddress::v4(192, 0, 2, 254);
  ::testing::internal::CaptureStderr();
  agent_->check_underlay();
  EXPECT_EQ(kernel_.dump(), "");
  EXPECT_EQ(agent_->network()->overlay().peers(), 0U);
  loop_.run_until_idle();
  router_.reset();
  agent_->check_underlay();
  loop_.run_until_idle();
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  EXPECT_EQ(problems(), std::vector<std::string>{});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("over: peer unreachable code=peer-unreachable about=10.5.9.0/24"),
            std::string::npos)
      << log;
}

TEST_F(AgentTest, OfThousandsOfPeersThatBecomeUnreachableAtOnceAFewAreNamedInTheLog) {
  host_.lookup_route = [this](IpAddress) {
    return Result<RouteLookup>(RouteLookup{.interface_index = 2, .source = {}, .gateway = router_});
  };
  configure(kHostGw);
  for (int i = 10; i < 100; ++i) {
    put(fmt::format("10.5.{}.0-24", i), peer_value(fmt::format("192.0.2.{}", i)));
  }
  router_ = IpAddress::v4(192, 0, 2, 254);
  ::testing::internal::CaptureStderr();
  agent_->check_underlay();
  loop_.run_until_idle();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(log, '\n'), 9) << log;
  EXPECT_NE(log.find("peer unreachable code=peer-unreachable more=82"), std::string::npos) << log;
}

// Upstream's, left from a time when our subnet was a peer's.
TEST_F(AgentTest, ARouteToOurOwnSubnetByOurDeviceGoes) {
  configure(kVxlan);
  const Route left{.to = agent_->network()->keeper().lease()->subnet.identity(),
                   .via = IpAddress::v4(10, 5, 1, 0),
                   .link = "flannel.1",
                   .onlink = true,
                   .foreign = true};
  Route elsewhere = left;
  elsewhere.to = IpPrefix::of(IpAddress::v4(10, 5, 77, 0), 24);
  kernel_.meddle(left);
  kernel_.meddle(elsewhere);
  start_agent();
  const std::string now = kernel_.dump();
  EXPECT_EQ(now.find("route 10.5.1.0/24"), std::string::npos) << now;
  EXPECT_NE(now.find("route 10.5.77.0/24"), std::string::npos) << "an operator's, perhaps: " << now;
}

}  // namespace
}  // namespace flannel::agent_host_test
