// SPDX-License-Identifier: Apache-2.0
// What differs between IPv4 and IPv6 in the kernel, and both on one host.
#include <gtest/gtest.h>

#include "kernel/host/sysctl.h"
#include "support/kernel_test.h"

namespace flannel::two_families_test {
namespace {

class TwoFamiliesTest : public LinuxKernelTest {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (!IsSkipped()) use(Family::v6);
  }

  static IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
  static IpPrefix net(const char* text) { return IpPrefix::parse(text).value(); }
};

TEST_F(TwoFamiliesTest, MakesTheDeviceOfIpv6AsUpstreamDoes) {
  put_device();
  put(peers(2, 1));
  EXPECT_EQ(shell("ip -d link show flannel-v6.1 | sed -nE 's/.*(vxlan id .*nolearning).*/\\1/p'"),
            "vxlan id 1 local 2001:db8::1 dev eth0 srcport 0 0 dstport 8472 nolearning\n");
  EXPECT_EQ(shell("ip -6 -o address show dev flannel-v6.1 | sed -E 's/^[0-9]+: //; s/ +/ /g'"),
            "flannel-v6.1 inet6 fd00:5:0:1::/128 scope global nodad \\ valid_lft forever "
            "preferred_lft forever\n")
      << "no link-local address, and no test for a double";
  EXPECT_EQ(shell("cat /proc/sys/net/ipv6/conf/flannel-v6.1/accept_ra"), "0\n");
  EXPECT_EQ(shell("ip -6 route show proto 250"),
            "fd00:5:0:2::/64 via fd00:5:0:2:: dev flannel-v6.1 metric 1024 onlink pref medium\n");
  EXPECT_EQ(shell("ip -6 neigh show nud permanent dev flannel-v6.1"),
            "fd00:5:0:2:: lladdr 02:00:00:00:00:02 PERMANENT \n");
  EXPECT_EQ(shell("bridge fdb show dev flannel-v6.1"),
            "02:00:00:00:00:02 dst 2001:db8:1::2 self permanent\n");
  EXPECT_EQ(dump(read()),
            "link flannel-v6.1 vxlan id 1 local 2001:db8::1 dev eth0 dstport 8472 nolearning mtu "
            "1430 mac 02:00:00:00:00:01 up\n"
            "addr fd00:5:0:1::/128 dev flannel-v6.1\n"
            "neigh fd00:5:0:2:: dev flannel-v6.1 lladdr 02:00:00:00:00:02 nud permanent\n"
            "fdb 02:00:00:00:00:02 dev flannel-v6.1 dst 2001:db8:1::2 self permanent\n"
            "route fd00:5:0:2::/64 via fd00:5:0:2:: dev flannel-v6.1 onlink\n");
}

TEST_F(TwoFamiliesTest, BothDevicesShareVniAndPort) {
  put_device();
  family_ = Family::v4;
  link_ = "flannel.1";
  put_device();
  EXPECT_EQ(read({"flannel.1", "flannel-v6.1"}).links.size(), 2U);
}

TEST_F(TwoFamiliesTest, TheUnderlayMayBeOfTheOtherFamily) {
  VxlanSettings over_v4 = vxlan();
  over_v4.local = IpAddress::v4(192, 0, 2, 1);
  FdbEntry entry = fdb(2);
  entry.remote = IpAddress::v4(192, 0, 2, 2);
  put({device(over_v4), address(), neighbour(2), entry, route(2)});
  EXPECT_EQ(read().links, std::vector{device(over_v4)});
  EXPECT_EQ(read().fdb, std::vector{entry});
  EXPECT_EQ(read().routes, std::vector{route(2)});
}

TEST_F(TwoFamiliesTest, AnIpv4RouteMayHaveAnIpv6Gateway) {
  const auto read = [this] {
    return kernel_->read({.link_names = {}, .networks = {net("10.5.0.0/16")}}).value();
  };
  for (const std::size_t plain : {std::size_t{9}, std::size_t{0}}) {
    open({.plain_routes = plain});
    Route route{.to = net("10.5.2.0/24"), .via = ip("2001:db8::2"), .link = "eth0"};
    put({route});
    EXPECT_EQ(read().routes, std::vector{route});
    EXPECT_EQ(dump(read()), "route 10.5.2.0/24 via inet6 2001:db8::2 dev eth0\n");
    route.via = ip("2001:db8::3");
    put({route});
    EXPECT_EQ(read().routes, std::vector{route});
    Route other = route;
    other.via = ip("2001:db8::9");
    remove({other});
    EXPECT_EQ(read().routes, std::vector{route}) << "another gateway is another route";
    remove({route});
    EXPECT_EQ(shell("ip route show proto 250; ip nexthop"), "");
  }
}

// Linux merges routes of one metric with gateways into one route with several next hops, and
// replaces them as one.
TEST_F(TwoFamiliesTest, ARouteThatAnotherProgramJoinedIsReplacedAlone) {
  const Route ours{.to = net("fd00:5:0:2::/64"), .via = ip("2001:db8::2"), .link = "eth0"};
  put({ours});
  shell("ip -6 route append fd00:5:0:2::/64 via 2001:db8::7 dev eth0 proto 250");
  EXPECT_EQ(read().routes, std::vector<Route>{}) << "it is not the desired one";
  put({ours});
  EXPECT_EQ(read().routes, std::vector{ours});
  EXPECT_EQ(shell("ip -6 route show fd00:5:0:2::/64"),
            "fd00:5:0:2::/64 via 2001:db8::2 dev eth0 proto 250 metric 1024 pref medium\n");
}

// The kernel resolves the gateway of a new onlink route by its other routes.
TEST_F(TwoFamiliesTest, ARouteToALargerNetworkIsNotInTheWay) {
  shell("ip -6 route add fd00::/8 via 2001:db8::7 dev eth0");
  put_device();
  put(peers(2, 3));
  EXPECT_EQ(read().routes, peers(2, 3).routes);
  Route direct = route(2);
  direct.via = ip("2001:db8::2");
  direct.link = "eth0";
  direct.onlink = false;
  put({direct});
  EXPECT_EQ(read().routes.at(0), direct);
  put({route(2)});
  EXPECT_EQ(read().routes, peers(2, 3).routes) << "back to the device";
  Route bad = route(9);
  bad.via = ip("fd00:5:0:1::");  // our own address
  EXPECT_NE(outcome(Op::put, bad), "ok");
  EXPECT_EQ(read().routes, peers(2, 3).routes) << "no route to a gateway stays";
}

TEST_F(TwoFamiliesTest, UpstreamsRouteIsTakenOverAndOneWithAnotherMetricStays) {
  shell("ip -6 route add fd00:5:0:2::/64 via 2001:db8::7 dev eth0");
  shell("ip -6 route add fd00:5:0:2::/64 via 2001:db8::8 dev eth0 metric 2000");
  const Route ours{.to = net("fd00:5:0:2::/64"), .via = ip("2001:db8::2"), .link = "eth0"};
  put({ours});
  EXPECT_EQ(shell("ip -6 route show fd00:5:0:2::/64 | cut -d' ' -f1-3"),
            "fd00:5:0:2::/64 via 2001:db8::2\nfd00:5:0:2::/64 via 2001:db8::8\n");
  remove({ours});
  EXPECT_EQ(shell("ip -6 route show fd00:5:0:2::/64 | cut -d' ' -f1-3"),
            "fd00:5:0:2::/64 via 2001:db8::8\n");
}

TEST_F(TwoFamiliesTest, ABlackholeOfIpv6IsTheLastResort) {
  const Route hole{.to = net("fd00:5:0:1::/64"), .link = {}, .blackhole = true};
  put({hole});
  put({hole});
  EXPECT_EQ(dump(read()), "blackhole fd00:5:0:1::/64\n");
  shell("ip link add cni0 type bridge; ip link set cni0 up");
  shell("ip -6 address add fd00:5:0:1::1/64 dev cni0 nodad");
  EXPECT_NE(shell("ip -6 route get fd00:5:0:1::9").find("dev cni0"), std::string::npos);
  remove({hole});
  remove({hole});
  EXPECT_EQ(shell("ip -6 route show type blackhole"), "");
}

TEST_F(TwoFamiliesTest, TheRouteOfAnIpv6AddressComesBackAsTheKernelMadeIt) {
  shell("ip tuntap add flannel0 mode tun");
  const Address tun{.link = "flannel0", .ip = ip("fd00:5:0:1::"), .bits = 32};
  put({Link{.name = "flannel0", .kind = TunSettings{}, .mtu = 1472}, tun});
  EXPECT_EQ(read({"flannel0"}).addresses, std::vector{tun});
  const std::string route = shell("ip -6 route show fd00:5::/32");
  shell("ip -6 route del fd00:5::/32");
  shell("ip -6 address add fd00:5::1/32 dev eth0 nodad");
  EXPECT_FALSE(read({"flannel0"}).addresses.at(0).routed);
  put({tun});
  put({tun});
  EXPECT_TRUE(read({"flannel0"}).addresses.at(0).routed);
  EXPECT_EQ(shell("ip -6 route show fd00:5::/32 dev flannel0 | wc -l"), "1\n") << route;
  EXPECT_EQ(shell("ip -6 route show fd00:5::/32 dev eth0 | wc -l"), "1\n")
      << "the route of another device stays";
}

TEST_F(TwoFamiliesTest, Ipv6IsEnabledOnADeviceThatNeedsIt) {
  ASSERT_TRUE(write_sysctl("net/ipv6/conf/default/disable_ipv6", "1"));
  put_device();
  put(peers(2, 1));
  NetState expected = peers(2, 1);
  expected.links.push_back(device(vxlan()));
  expected.addresses.push_back(address());
  EXPECT_EQ(dump(read()), dump(expected));
  family_ = Family::v4;
  link_ = "flannel.1";
  put_device();
  EXPECT_EQ(shell("cat /proc/sys/net/ipv6/conf/flannel.1/disable_ipv6"), "1\n")
      << "not for IPv4 alone";
}

TEST_F(TwoFamiliesTest, WhatOthersHaveOfTheOtherFamilyStays) {
  family_ = Family::v4;
  link_ = "flannel.1";
  put_device();
  shell(
      "ip -6 address add fd99::1/64 dev flannel.1 nodad; ip -6 address add fe80::7/64 dev "
      "flannel.1 nodad");
  shell("ip -6 neigh add fd99::2 lladdr 02:00:00:00:00:09 dev flannel.1 nud permanent");
  shell("ip -6 route add fd98::/64 via fd99::2 dev flannel.1");
  EXPECT_EQ(read().addresses, std::vector{address()});
  EXPECT_TRUE(read().neighbours.empty());
  EXPECT_TRUE(read().routes.empty());
  shell("ip -6 route add fd97::/64 via fd99::2 dev flannel.1 proto 250");
  EXPECT_EQ(read().routes.size(), 1U);
}

}  // namespace
}  // namespace flannel::two_families_test
