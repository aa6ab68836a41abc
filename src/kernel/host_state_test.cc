// SPDX-License-Identifier: Apache-2.0
#include "kernel/host_state.h"

#include <gtest/gtest.h>

#include "support/fresh_netns.h"

namespace flannel {
namespace {

// 10.5.7.0/24 is ours, of 10.5.0.0/16, and its device is eth0.
class HostStateTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped()) shell("sysctl -qw net.ipv4.ip_forward=1");
  }

  static HostState look() {
    const auto state = read_host_state({.network = Cidr4::of(Ip4::of(10, 5, 0, 0), 16),
                                        .own_subnet = Cidr4::of(Ip4::of(10, 5, 7, 0), 24),
                                        .devices = {"eth0"}});
    if (!state) throw std::runtime_error(state.error().text);
    return *state;
  }
  static std::string refusing() {
    std::string text;
    for (const ForwardChain& chain : look().refusing_forward)
      text += chain.table + " " + chain.chain + "\n";
    return text;
  }
};

TEST_F(HostStateTest, AHostThatForwardsIsWell) {
  EXPECT_EQ(look(), HostState{});
}

TEST_F(HostStateTest, SeesWhatDoesNotForward) {
  shell("ip link add docker0 type bridge; ip address add 10.5.7.1/24 dev docker0");
  EXPECT_EQ(look().bridges, std::vector<std::string>{"docker0"});
  EXPECT_EQ(look().not_forwarding, std::vector<std::string>{});
  shell("sysctl -qw net/ipv4/conf/docker0/forwarding=0");
  EXPECT_EQ(look().not_forwarding, std::vector<std::string>{"docker0"});
  EXPECT_TRUE(look().ip_forward);
  shell("sysctl -qw net.ipv4.ip_forward=0");
  EXPECT_EQ(look().not_forwarding, (std::vector<std::string>{"eth0", "docker0"}));
  EXPECT_FALSE(look().ip_forward);
}

TEST_F(HostStateTest, SeesRoutesOfOthersInTheNetworkAndNoneBesideIt) {
  shell("ip link add docker0 type bridge; ip link set docker0 up");
  shell("ip address add 10.5.7.1/24 dev docker0");
  shell("ip route add 10.5.7.0/24 dev eth0 metric 7; ip route add unreachable 10.5.9.0/24");
  shell("ip route add 10.5.8.0/24 dev eth0 proto 250; ip route add 10.4.0.0/16 dev eth0");
  shell("ip route add 10.5.8.128/25 dev eth0 table 100; ip route add default via 192.0.2.9");
  EXPECT_EQ(look().routes, (std::vector<OtherRoute>{
                               {Cidr4::of(Ip4::of(10, 5, 7, 0), 24), "docker0", 0},
                               {Cidr4::of(Ip4::of(10, 5, 7, 0), 24), "eth0", 7},
                               {Cidr4::of(Ip4::of(10, 5, 9, 0), 24), "", 0},
                           }));
}

TEST_F(HostStateTest, SeesChainsThatRefuseWhatTheyHaveNotAccepted) {
  shell("nft add table inet firewalld");
  shell("nft 'add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }'");
  EXPECT_EQ(refusing(), "") << "it refuses nothing yet";
  shell("nft add rule inet firewalld filter_FORWARD iifname lan0 reject");
  EXPECT_EQ(refusing(), "") << "of some it does, but not of what is left";
  shell(
      "nft add rule inet firewalld filter_FORWARD counter log reject with icmpx admin-prohibited");
  EXPECT_EQ(refusing(), "inet firewalld filter_FORWARD\n");
  shell("nft add rule inet firewalld filter_FORWARD accept");
  EXPECT_EQ(refusing(), "") << "it is not the last any more";
  shell("nft add rule inet firewalld filter_FORWARD drop");
  EXPECT_EQ(refusing(), "inet firewalld filter_FORWARD\n");

  shell("nft 'add chain inet firewalld trusted'");
  shell("nft insert rule inet firewalld filter_FORWARD ip saddr 10.5.0.0/16 jump trusted");
  EXPECT_EQ(refusing(), "") << "somebody has thought of flannel";
  shell(
      "nft flush chain inet firewalld filter_FORWARD; nft add rule inet firewalld filter_FORWARD "
      "ip saddr 10.6.0.0/16 jump trusted; nft add rule inet firewalld filter_FORWARD drop");
  EXPECT_EQ(refusing(), "inet firewalld filter_FORWARD\n") << "of another network";
}

TEST_F(HostStateTest, SeesPoliciesAndLeavesOutWhereFlannelHasAcceptsOfItsOwn) {
  for (const char* const table : {"ip mine", "ip filter", "ip6 mine", "inet flannel-ipv4"}) {
    shell(std::string("nft add table ") + table + "; nft 'add chain " + table +
          " FORWARD { type filter hook forward priority 0; policy drop; }'");
  }
  shell("nft 'add chain ip mine INPUT { type filter hook input priority 0; policy drop; }'");
  EXPECT_EQ(refusing(), "ip mine FORWARD\n");
  shell("nft add rule ip mine FORWARD iifname eth0 accept");
  EXPECT_EQ(refusing(), "");
}

}  // namespace
}  // namespace flannel
