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

TEST_P(HostStateTest, SeesThePortsOfTheBridgeWithOurSubnetIfAsked) {
  shell("ip link add docker0 type bridge; ip link add other0 type bridge; ip link set docker0 up");
  shell(text("ip address add 10.5.7.1/24 dev docker0"));
  shell("ip link add veth1 mtu 1450 type veth peer name c1");
  shell("ip link add veth2 mtu 1350 type veth peer name c2");
  shell("ip link add veth3 mtu 1450 type veth peer name c3");
  shell("ip link set veth1 master docker0; ip link set veth2 master docker0");
  shell("ip link set veth3 master other0");
  EXPECT_EQ(look().ports, std::vector<BridgePort>{});
  HostQuery query{.network = net("10.5.0.0/16"), .own_subnet = net("10.5.7.0/24"), .devices = {}};
  query.ports = true;
  const auto state = read_host_state(query);
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_EQ(state->ports,
            (std::vector<BridgePort>{{"docker0", "veth1", 1450}, {"docker0", "veth2", 1350}}));
}

TEST_P(HostStateTest, SeesWhetherSourcesAreCheckedStrictlyAndWhatWasDropped) {
  HostQuery query{.network = net("10.5.0.0/16"), .own_subnet = net("10.5.7.0/24"), .devices = {}};
  query.one_way = "eth0";
  const auto state = [&query] { return read_host_state(query).value(); };
  EXPECT_FALSE(state().one_way_is_strict);
  shell("sysctl -qw net.ipv4.conf.all.rp_filter=1");
  EXPECT_TRUE(state().one_way_is_strict);
  shell("sysctl -qw net/ipv4/conf/eth0/rp_filter=2");
  EXPECT_FALSE(state().one_way_is_strict) << "the larger one counts";
  shell("sysctl -qw net/ipv4/conf/eth0/rp_filter=0");
  EXPECT_EQ(state().refused_sources, 0U);
  // A peer sends from an address to which eth0 is not the way.
  shell("ip link add elsewhere type bridge; ip link set elsewhere up");
  shell("ip route add 10.5.9.0/24 dev elsewhere");
  shell(
      "mac=$(ip -o link show eth0 | grep -oE 'ether [0-9a-f:]+' | cut -c7-); "
      "unshare -n sleep 60 & peer=$!; "
      "until [ $(readlink /proc/$peer/ns/net) != $(readlink /proc/self/ns/net) ]; do :; done; "
      "ip link set eth0-peer netns $peer; "
      "nsenter -t $peer -n sh -c 'ip link set eth0-peer up; ip address add 192.0.2.2/24 dev "
      "eth0-peer; ip address add 10.5.9.1/32 dev eth0-peer; "
      "ip neigh replace 192.0.2.1 lladdr '$mac' dev eth0-peer; "
      "ping -c 2 -i 0.05 -W 1 -I 10.5.9.1 192.0.2.1' >/dev/null || true; kill $peer");
  EXPECT_EQ(state().refused_sources, 2U);
}

}  // namespace
}  // namespace flannel::host_state_test
