// SPDX-License-Identifier: Apache-2.0
// Large clusters: routes beyond the first 256 use next-hop objects, without a visible difference.
#include <gtest/gtest.h>

#include "kernel/host/sysctl.h"
#include "support/kernel_test.h"

namespace flannel::nexthop_test {
namespace {

class NexthopTest : public LinuxKernelTest {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (!IsSkipped()) put_device();
  }

  // Opens with a low limit of plain routes, so that small tests have next-hop objects.
  void open_with(std::size_t plain_routes) { open({.plain_routes = plain_routes}); }

  NetState expected(NetState peers) {
    peers.links.push_back(device(vxlan()));
    peers.addresses.push_back(address());
    return peers;
  }

  static std::string count(const std::string& command) {
    return shell(command + " | wc -l | tr -d '\\n'");
  }
  // The id of the object of the `number`th peer's route.
  std::string id_of(unsigned number) const {
    return shell("ip route show " + to_string(route(number).to) +
                 " | sed -E 's/.*nhid ([0-9]+).*/\\1/' | tr -d '\\n'");
  }
  static std::string objects() { return count("ip nexthop show protocol 250"); }
};

TEST_F(NexthopTest, TheFirst256RoutesArePlain) {
  put(peers(2, 300));
  EXPECT_EQ(count("ip route show proto 250 | grep -v nhid"), "256");
  EXPECT_EQ(count("ip route show proto 250 | grep nhid"), "44");
  EXPECT_EQ(objects(), "44");
  EXPECT_EQ(shell("ip route show 10.6.45.0/24"),
            "10.6.45.0/24 nhid " + id_of(301) + " via 10.6.45.0 dev flannel.1 proto 250 onlink \n");
  EXPECT_EQ(dump(read()), dump(expected(peers(2, 300)))) << "read as any other route";
}

TEST_F(NexthopTest, ThreeThousandPeersComeAndGo) {
  put(peers(2, 3000));
  EXPECT_EQ(dump(read()), dump(expected(peers(2, 3000))));
  EXPECT_EQ(objects(), "2744");
  remove(objects_of(peers(2, 3000)));
  EXPECT_EQ(dump(read()), dump(expected({})));
  EXPECT_EQ(objects(), "0");
  EXPECT_EQ(count("ip route show proto 250"), "0");
}

TEST_F(NexthopTest, ANewProcessGoesOnWithWhatItFinds) {
  put(peers(2, 300));
  open({});
  EXPECT_EQ(dump(read()), dump(expected(peers(2, 300))));
  put(peers(302, 2));
  Route changed = route(290);
  changed.via = IpAddress::v4(192, 0, 2, 9);
  changed.link = "eth0";
  put({changed});
  EXPECT_EQ(shell("ip route show 10.6.34.0/24"),
            "10.6.34.0/24 nhid " + id_of(290) + " via 192.0.2.9 dev eth0 proto 250 onlink \n");
  remove(objects_of(peers(2, 302)));
  remove({changed});
  EXPECT_EQ(dump(read()), dump(expected({})));
  EXPECT_EQ(objects(), "0");
}

TEST_F(NexthopTest, APeersRouteIsReplacedWithoutAGap) {
  open_with(0);
  put({route(2)});
  Route direct = route(2);
  direct.via = IpAddress::v4(192, 0, 2, 9);
  direct.link = "eth0";
  direct.onlink = false;
  put({direct});
  EXPECT_EQ(read().routes, std::vector{direct});
  EXPECT_EQ(objects(), "1");
  Route no_gateway = direct;
  no_gateway.via = {};
  put({no_gateway});
  EXPECT_EQ(read().routes, std::vector{no_gateway});
  EXPECT_EQ(objects(), "0");
}

TEST_F(NexthopTest, AForeignObjectWithOurNumberIsLeftAlone) {
  open_with(0);
  put({route(2)});
  const std::string next = std::to_string(std::stoul(id_of(2)) + 1);
  shell("ip nexthop add id " + next + " via 192.0.2.9 dev eth0 proto static");
  const std::string foreign = shell("ip nexthop show id " + next);
  put({route(3)});
  EXPECT_EQ(shell("ip route show 10.5.3.0/24"),
            "10.5.3.0/24 via 10.5.3.0 dev flannel.1 proto 250 onlink \n")
      << "a plain route works too";
  EXPECT_EQ(read().routes, (std::vector{route(2), route(3)}));
  put({route(4)});
  EXPECT_EQ(objects(), "2");
  remove({route(2), route(3), route(4)});
  EXPECT_EQ(shell("ip nexthop show"), foreign);
}

// Their number was the base of the peer's subnet.
TEST_F(NexthopTest, ObjectsOfAnEarlierReleaseAreAdopted) {
  open_with(0);
  shell(
      "ip nexthop add id 168100352 via 10.5.2.0 dev flannel.1 onlink proto 250;"
      "ip route add 10.5.2.0/24 nhid 168100352 proto 250");
  EXPECT_EQ(read().routes, std::vector{route(2)});
  put({route(2), route(3)});
  EXPECT_EQ(id_of(2), "168100352");
  EXPECT_EQ(objects(), "2");
  remove({route(2), route(3)});
  EXPECT_EQ(objects(), "0");
}

// IPv6 has many plain routes without a cost.
TEST_F(NexthopTest, RoutesOfIpv6AreAllPlain) {
  open_with(0);
  Route six{.to = IpPrefix::parse_v6("fd00:5:2::/64").value(),
            .via = IpAddress::parse_v6("fd00:5:2::").value(),
            .link = "flannel.1",
            .onlink = true};
  put({six, route(2)});
  EXPECT_EQ(objects(), "1");
  open_with(1);
  read();
  put({route(3)});
  EXPECT_EQ(objects(), "2") << "one route is counted, not two";
}

TEST_F(NexthopTest, ARouteThatOthersPutOnAnObjectOfTheirsIsReplacedAndItsObjectKept) {
  open_with(0);
  shell("ip nexthop add id 7 via 192.0.2.9 dev eth0 proto static");
  const std::string foreign = shell("ip nexthop show id 7");
  shell("ip route add 10.5.2.0/24 nhid 7 proto 250");
  const Route found{.to = {base(2), 24}, .via = IpAddress::v4(192, 0, 2, 9), .link = "eth0"};
  EXPECT_EQ(read().routes, std::vector{found});
  put({route(2)});
  EXPECT_EQ(read().routes, std::vector{route(2)});
  shell("ip route replace 10.5.2.0/24 nhid 7 proto 250");
  EXPECT_EQ(read().routes, std::vector{found});
  remove({found});
  EXPECT_EQ(read().routes, std::vector<Route>{});
  EXPECT_EQ(shell("ip nexthop show"), foreign);
}

TEST_F(NexthopTest, ObjectsThatNoRouteNamesAreRemovedByReadingTwice) {
  shell("ip nexthop add id 5 via 192.0.2.9 dev eth0 proto 250");
  shell("ip nexthop add id 6 via 192.0.2.9 dev eth0 proto static");
  const std::string both = shell("ip nexthop show");
  read();
  EXPECT_EQ(shell("ip nexthop show"), both) << "another daemon may be about to put the route";
  read();
  EXPECT_EQ(shell("ip nexthop show"), "id 6 via 192.0.2.9 dev eth0 scope link proto static \n");
}

TEST_F(NexthopTest, AnotherDaemonsRoutesAndObjectsAreNotCountedAsOurs) {
  open_with(1);
  shell("ip nexthop add id 5 via 192.0.2.9 dev eth0 proto 250");
  shell("ip route add 172.16.0.0/24 nhid 5 proto 250");
  EXPECT_EQ(read().routes.size(), 1U) << "the reconciler reports it";
  read();
  put({route(2)});
  EXPECT_EQ(shell("ip route show proto 250"),
            "10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink \n"
            "172.16.0.0/24 nhid 5 via 192.0.2.9 dev eth0 \n");
}

TEST_F(NexthopTest, ABadRouteLeavesNoObjectBehind) {
  open_with(0);
  Route bad = route(2);
  bad.via = IpAddress::v4(203, 0, 113, 1);
  bad.onlink = false;
  const auto results = apply(Op::put, {route(3), bad, route(4)});
  EXPECT_TRUE(results[0] && results[2]);
  EXPECT_EQ(results[1].error().text,
            "put route 10.5.2.0/24 via 203.0.113.1 dev flannel.1: netlink RTM_NEWROUTE: Network is "
            "unreachable (Nexthop has invalid gateway)");
  EXPECT_EQ(objects(), "2");
  put({route(2)});
  EXPECT_EQ(objects(), "3");
}

TEST_F(NexthopTest, RoutesThatWentWithTheirObjectComeBack) {
  open_with(0);
  put({route(2), route(3)});
  shell("ip nexthop del id " + id_of(2));
  EXPECT_EQ(read().routes, std::vector{route(3)});
  put({route(2)});
  EXPECT_EQ(read().routes.size(), 2U);

  shell("ip link set flannel.1 down");
  EXPECT_EQ(read().routes.size(), 0U);
  put_device();
  put({route(2), route(3)});
  EXPECT_EQ(read().routes.size(), 2U);
  EXPECT_EQ(objects(), "2");
}

TEST_F(NexthopTest, RoutesThatWentWithTheirDeviceMakeRoomForPlainOnes) {
  open_with(2);
  put(peers(2, 2));
  remove({device(vxlan())});
  remove(objects_of(peers(2, 2)));
  put_device();
  put({route(4)});
  EXPECT_EQ(shell("ip route show proto 250"), "10.5.4.0/24 via 10.5.4.0 dev flannel.1 onlink \n");
}

TEST_F(NexthopTest, ARouteWithANextHopObjectIsReadInFull) {
  open_with(0);
  ASSERT_TRUE(write_sysctl("net/ipv4/nexthop_compat_mode", "0"));
  put({route(2)});
  EXPECT_EQ(shell("ip route show proto 250"), "10.5.2.0/24 nhid " + id_of(2) + " \n");
  EXPECT_EQ(read().routes, std::vector{route(2)});
}

}  // namespace
}  // namespace flannel::nexthop_test
