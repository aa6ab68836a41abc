// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/host_state.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/fresh_netns.h"
#include "support/in_family.h"

namespace flannel::host_state_test {
namespace {

// Our subnet is 10.5.7.0/24 of 10.5.0.0/16, and the device is eth0.
class HostStateTest : public InFamily<NetnsTest> {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped()) shell("sysctl -qw " + forwarding() + "=1");
  }

  std::string forwarding() const {
    return family() == Family::v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
  }
  HostState look() const {
    const auto state = read_host_state(
        {.network = net("10.5.0.0/16"), .own_subnet = net("10.5.7.0/24"), .devices = {"eth0"}});
    if (!state) throw std::runtime_error(state.error().text);
    return *state;
  }
};

INSTANTIATE_TEST_SUITE_P(Both, HostStateTest, kBothFamilies, family_name);

TEST_P(HostStateTest, AHostThatForwardsIsWell) {
  EXPECT_EQ(look(), HostState{});
}

TEST_P(HostStateTest, SeesWhatDoesNotForward) {
  shell(text("ip link add docker0 type bridge; ip address add 10.5.7.1/24 dev docker0"));
  shell(text("ip address add 10.5.7.2/24 dev docker0"));
  EXPECT_EQ(look().bridges, std::vector<std::string>{"docker0"});
  EXPECT_EQ(look().not_forwarding, std::vector<std::string>{});
  EXPECT_TRUE(look().ip_forward);
  shell("sysctl -qw " + forwarding() + "=0");
  EXPECT_EQ(look().not_forwarding, (std::vector<std::string>{"eth0", "docker0"}));
  EXPECT_FALSE(look().ip_forward);
}

// In IPv6 that setting makes a router of the host on this link, and packets pass without it.
TEST_P(HostStateTest, TheForwardingOfOneDeviceCountsInIPv4) {
  const std::string ip = family() == Family::v4 ? "ipv4" : "ipv6";
  shell("sysctl -qw net/" + ip + "/conf/eth0/forwarding=0");
  EXPECT_EQ(look().not_forwarding,
            family() == Family::v4 ? std::vector<std::string>{"eth0"} : std::vector<std::string>{});
  EXPECT_TRUE(look().ip_forward);
  if (!std::filesystem::exists("/proc/sys/net/" + ip + "/conf/eth0/force_forwarding")) return;
  shell("sysctl -qw " + forwarding() + "=0 net/" + ip + "/conf/eth0/force_forwarding=1");
  EXPECT_EQ(look().not_forwarding, std::vector<std::string>{});
}

TEST_P(HostStateTest, SeesRoutesOfOthersInTheNetworkAndNoneBesideIt) {
  const bool v4 = family() == Family::v4;
  shell("ip link add docker0 type bridge; ip link set docker0 up");
  shell(text("ip address add 10.5.7.1/24 dev docker0"));
  shell(text("ip route add 10.5.7.0/24 dev eth0 metric 1026"));
  shell(text("ip route add unreachable 10.5.9.0/24"));
  shell(text("ip route add 10.5.8.0/24 dev eth0 proto 250; ip route add 10.4.0.0/16 dev eth0"));
  shell(text("ip route add 10.5.8.128/25 dev eth0 table 100"));
  shell(text("ip route add default via 192.0.2.9 dev eth0 onlink"));
  if (v4) shell("ip route add 10.5.8.0/25 tos 4 dev eth0");  // of some packets only
  // As the device of the udp backend has it.
  shell(text("ip address add 10.5.7.0/16 dev eth0"));
  EXPECT_EQ(look().routes, (std::vector<OtherRoute>{
                               {net("10.5.7.0/24"), "docker0", v4 ? 0U : 256U},
                               {net("10.5.7.0/24"), "eth0", 1026},
                               {net("10.5.9.0/24"), "", v4 ? 0U : 1024U},
                           }));
}

}  // namespace
}  // namespace flannel::host_state_test
