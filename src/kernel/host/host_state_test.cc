// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/host_state.h"

#include <gtest/gtest.h>

#include "support/fresh_netns.h"

namespace flannel::host_state_test {
namespace {

// Our subnet is 10.5.7.0/24 of 10.5.0.0/16, and the device is eth0.
class HostStateTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped()) shell("sysctl -qw net.ipv4.ip_forward=1");
  }

  static HostState look() {
    const auto state = read_host_state({.network = IpPrefix::of(IpAddress::v4(10, 5, 0, 0), 16),
                                        .own_subnet = IpPrefix::of(IpAddress::v4(10, 5, 7, 0), 24),
                                        .devices = {"eth0"}});
    if (!state) throw std::runtime_error(state.error().text);
    return *state;
  }
};

TEST_F(HostStateTest, AHostThatForwardsIsWell) {
  EXPECT_EQ(look(), HostState{});
}

TEST_F(HostStateTest, SeesWhatDoesNotForward) {
  shell("ip link add docker0 type bridge; ip address add 10.5.7.1/24 dev docker0");
  shell("ip address add 10.5.7.2/24 dev docker0");
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
  shell("ip route add 10.5.8.0/25 tos 4 dev eth0");  // of some packets only
  shell("ip address add 10.5.7.0/16 dev eth0");      // as the device of the udp backend has it
  EXPECT_EQ(look().routes, (std::vector<OtherRoute>{
                               {IpPrefix::of(IpAddress::v4(10, 5, 7, 0), 24), "docker0", 0},
                               {IpPrefix::of(IpAddress::v4(10, 5, 7, 0), 24), "eth0", 7},
                               {IpPrefix::of(IpAddress::v4(10, 5, 9, 0), 24), "", 0},
                           }));
}

}  // namespace
}  // namespace flannel::host_state_test
