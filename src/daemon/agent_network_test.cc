// SPDX-License-Identifier: Apache-2.0
// What the host uses outside of the overlay, against the network and the leases.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/agent_fixture.h"

namespace flannel::agent_network_test {
namespace {

using std::chrono::seconds;

class AgentNetworkTest : public AgentTest {
 protected:
  std::string kernel() { return dump(kernel_.read(agent_->network()->overlay().scope()).value()); }
  bool has(const std::string& row) { return kernel().find(row + "\n") != std::string::npos; }
  std::string why(const std::string& subnet) const {
    const auto& all = agent_->network()->overlay().unreachable().named();
    const auto found = all.find(subnet);
    return found == all.end() ? "reachable" : found->second;
  }
  std::string own_base() const {
    return to_string(agent_->network()->keeper().lease()->subnet.identity().base);
  }
};

TEST_F(AgentNetworkTest, UdpRoutesPeersOneByOneWhereTheNetworkContainsTheGateway) {
  host_.default_routes[0].gateway = IpAddress::v4(10, 5, 200, 1);
  put("10.5.9.0-24", R"({"PublicIP":"192.0.2.9"})");
  put("10.5.200.0-24", R"({"PublicIP":"192.0.2.8"})");
  configure(kUdp);
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(has("addr " + own_base() + "/32 dev flannel3")) << kernel();
  EXPECT_TRUE(has("route 10.5.9.0/24 dev flannel3")) << kernel();
  EXPECT_EQ(kernel().find("10.5.200.0"), std::string::npos) << kernel();
  EXPECT_EQ(
      why("10.5.200.0/24"),
      "its subnet contains 10.5.200.1, the default gateway, which a route to it would cut off");
  ASSERT_EQ(problems().size(), 2U) << "and that a peer is unreachable";
  EXPECT_TRUE(problems()[0].starts_with(
      "network: Network 10.5.0.0/16 overlaps what this host uses outside of the overlay: "
      "10.5.200.1 (the default gateway). "))
      << problems()[0];
}

TEST_F(AgentNetworkTest, AnAddressThatComesIntoUseLaterGetsNoRoute) {
  put("10.5.9.0-24", R"({"PublicIP":"192.0.2.9"})");
  put("10.5.200.0-24", R"({"PublicIP":"192.0.2.8"})");
  configure(kUdp);
  EXPECT_TRUE(has("addr " + own_base() + "/16 dev flannel3")) << kernel();
  host_.name_servers = {IpAddress::v4(10, 5, 200, 53)};
  loop_.advance(seconds(60));
  EXPECT_FALSE(has("addr " + own_base() + "/16 dev flannel3")) << kernel();
  EXPECT_TRUE(has("addr " + own_base() + "/32 dev flannel3")) << kernel();
  EXPECT_TRUE(has("route 10.5.9.0/24 dev flannel3")) << kernel();
  EXPECT_FALSE(has("route 10.5.200.0/24 dev flannel3")) << kernel();
  EXPECT_EQ(path_.tables.back()->find(IpAddress::v4(10, 5, 200, 53)), nullptr);
  host_.name_servers.clear();
  loop_.advance(seconds(60));
  EXPECT_TRUE(has("route 10.5.200.0/24 dev flannel3")) << "the peer is back, one by one";
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentNetworkTest, APeerInTheNetworkIsReachedByTheUnderlay) {
  configure(kUdp);
  put("10.5.9.0-24", R"({"PublicIP":"192.0.2.9"})");
  EXPECT_EQ(kernel().find("route"), std::string::npos) << kernel();
  put("10.5.8.0-24", R"({"PublicIP":"10.5.77.8"})");
  EXPECT_TRUE(has("addr " + own_base() + "/32 dev flannel3")) << kernel();
  EXPECT_TRUE(has("route 10.5.8.0/24 dev flannel3")) << kernel();
  EXPECT_TRUE(has("route 10.5.9.0/24 dev flannel3")) << "the one before it as well";
  EXPECT_EQ(path_.tables.back()->size(), 2U);
}

// Each backend: the route to one takes along what carries packets to the other.
TEST_F(AgentNetworkTest, OfPeersThatNameEachOthersSubnetsTheYoungerIsUnreachable) {
  for (const char* type : {"vxlan", "udp"}) {
    configure(std::string(R"({"Network":"10.5.0.0/16","Backend":{"Type":")") + type + "\"}}");
    start_agent();
    const auto value = [](const std::string& ip, const std::string& last) {
      return R"({"PublicIP":")" + ip + R"(","BackendType":"vxlan","BackendData":)" +
             R"({"VNI":1,"VtepMAC":"02:00:00:00:00:0)" + last + "\"}}";
    };
    put("10.5.9.0-24", value("10.5.8.5", "9"));
    put("10.5.8.0-24", value("10.5.9.5", "8"));
    EXPECT_EQ(why("10.5.9.0/24"), "reachable");
    EXPECT_NE(why("10.5.8.0/24").find("lies in the older subnet 10.5.9.0/24"), std::string::npos)
        << why("10.5.8.0/24");
    EXPECT_EQ(kernel().find("route 10.5.8.0/24"), std::string::npos) << kernel();
    remove("10.5.9.0-24");
    loop_.advance(seconds(2));
    EXPECT_EQ(why("10.5.8.0/24"), "reachable") << "nobody is in its way any more";
    EXPECT_NE(kernel().find("route 10.5.8.0/24"), std::string::npos) << kernel();
    remove("10.5.8.0-24");
    loop_.advance(seconds(2));
  }
}

// The configuration changed while no daemon ran. Others of our protocol are another daemon's.
TEST_F(AgentNetworkTest, RoutesIntoTheNetworkOfAnEarlierRunAreRemoved) {
  std::filesystem::create_directories(std::filesystem::path(subnet_file()).parent_path());
  std::ofstream(subnet_file()) << "FLANNEL_NETWORK=10.9.0.0/16\n";
  std::vector<KernelChange> routes;
  for (const char* to : {"10.9.8.0/24", "10.8.8.0/24"}) {
    routes.push_back({Op::put, Route{.to = IpPrefix::parse_v4(to).value(),
                                     .via = IpAddress::v4(192, 0, 2, 9),
                                     .link = "eth0"}});
  }
  kernel_.apply(routes);
  configure(kHostGw);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(kernel_.dump().find("route 10.9.8.0/24"), std::string::npos) << kernel_.dump();
  EXPECT_NE(kernel_.dump().find("route 10.8.8.0/24"), std::string::npos) << kernel_.dump();
}

TEST_F(AgentNetworkTest, NoSubnetAroundAnAddressInUseIsLeased) {
  host_.name_servers = {IpAddress::v4(10, 5, 0, 70), IpAddress::v4(10, 5, 0, 130)};
  configure(R"({"Network":"10.5.0.0/24","Backend":{"Type":"vxlan"}})");  // .64 .128 .192 of /26
  EXPECT_EQ(own_key(), "10.5.0.192-26");
}

TEST_F(AgentNetworkTest, AnAddressInUseInOurOwnSubnetIsReported) {
  configure(kVxlan);
  host_.name_servers = {agent_->network()->keeper().lease()->subnet.identity().base.plus(53)};
  loop_.advance(seconds(60));
  ASSERT_EQ(problems().size(), 2U);
  EXPECT_TRUE(problems()[1].starts_with("lease: our own subnet ")) << problems()[1];
  EXPECT_NE(problems()[1].find("a name server, which containers"), std::string::npos);
}

TEST_F(AgentNetworkTest, UdpIsNotReadyWhileAnotherDeviceHoldsTheNetwork) {
  host_.interfaces.push_back({.index = 4, .name = "docker0", .addresses = {}});
  host_.routes = {{IpPrefix::parse_v4("10.5.0.0/16").value(), 4}};
  configure(kUdp);
  EXPECT_EQ(ready_, 0);
  EXPECT_FALSE(std::filesystem::exists(subnet_file()));
  EXPECT_TRUE(only_problem().starts_with("kernel: packets to 10.5.0.0/16 leave by docker0"))
      << only_problem();
  host_.routes.clear();
  agent_->suspect_kernel();
  loop_.advance(seconds(1));
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(agent_->ready());
  host_.routes = {{IpPrefix::parse_v4("10.5.0.0/16").value(), 4}};
  agent_->suspect_kernel();
  loop_.advance(seconds(1));
  EXPECT_FALSE(agent_->ready());
}

TEST_F(AgentNetworkTest, VxlanHasLongerRoutesThanAnotherDeviceWithTheNetwork) {
  host_.interfaces.push_back({.index = 4, .name = "docker0", .addresses = {}});
  host_.routes = {{IpPrefix::parse_v4("10.5.0.0/16").value(), 4}};
  configure(kVxlan);
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentNetworkTest, BothNetworksAreComparedWithTheAddressesInUse) {
  add_ipv6();
  host_.name_servers = {IpAddress::parse_v6("fd00:5::53").value()};
  configure(kUdpOfBoth);
  EXPECT_TRUE(has("addr " + own_base() + "/32 dev flannel3")) << kernel();
  const std::string own6 = to_string(agent_->network()->keeper().lease()->subnet.v6->base);
  EXPECT_TRUE(has("addr " + own6 + "/128 dev flannel3")) << kernel();
  EXPECT_TRUE(
      only_problem().starts_with("network: IPv6Network fd00:5::/48 overlaps what this host "
                                 "uses outside of the overlay: fd00:5::53 (a name server)"))
      << only_problem();
  host_.name_servers.push_back(IpAddress::v4(10, 5, 200, 53));
  loop_.advance(seconds(60));
  ASSERT_EQ(problems().size(), 2U);
  EXPECT_TRUE(problems()[0].starts_with("network: Network 10.5.0.0/16 overlaps"));
}

TEST_F(AgentNetworkTest, AnAddressInUseInOurOwnIPv6SubnetIsAProblem) {
  add_ipv6();
  configure(kVxlanOfBoth);
  const IpPrefix own = *agent_->network()->keeper().lease()->subnet.v6;
  host_.name_servers = {own.base.plus(53)};
  loop_.advance(seconds(60));
  ASSERT_EQ(problems().size(), 2U);
  EXPECT_TRUE(problems()[1].starts_with("lease: our own subnet " + to_string(own) + " contains " +
                                        to_string(own.base.plus(53))))
      << problems()[1];
}

TEST_F(AgentNetworkTest, OnAKernelWithoutIPv6NothingOfItIsPutAndIPv4GoesOn) {
  host_.has_ipv6 = false;
  ip_blackhole_route_ = true;
  start_agent();
  put("10.5.9.0-24&fd00:5:0:9::-64", R"({"PublicIP":"192.0.2.9","PublicIPv6":"2001:db8::9"})");
  configure(kUdpOfBoth);
  EXPECT_EQ(ready_, 1);
  EXPECT_TRUE(agent_->network()->keeper().lease()->subnet.v6) << "the lease has subnets of both";
  EXPECT_TRUE(has("addr " + own_base() + "/16 dev flannel3")) << kernel();
  EXPECT_EQ(kernel().find("fd00:5:"), std::string::npos) << kernel();
  EXPECT_EQ(path_.tables.back()->size(), 1U);
  EXPECT_EQ(
      only_problem(),
      "host: this kernel has no IPv6, so this host carries no packets of fd00:5::/48; remedy: "
      "start the kernel without ipv6.disable=1, or load the module ipv6");
}

}  // namespace
}  // namespace flannel::agent_network_test
