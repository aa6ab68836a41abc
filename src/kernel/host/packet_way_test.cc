// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/packet_way.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "support/fresh_netns.h"

namespace flannel::packet_way_test {
namespace {

const IpAddress kContainer = IpAddress::v4(10, 5, 1, 2);
const IpAddress kPeer = IpAddress::v4(10, 5, 2, 3);

class PacketWayTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    shell("sysctl -qw net.ipv4.ip_forward=1");
    shell("ip link add br0 up type bridge; ip addr add 10.5.1.1/24 dev br0");
  }
  static PacketWay way(const IpAddress& source, const IpAddress& destination,
                       const std::string& in) {
    auto found = packet_way(source, destination, in);
    if (!found) throw std::runtime_error(found.error().text);
    return *std::move(found);
  }
};

TEST_F(PacketWayTest, IsThatOfTheRouteTheNeighbourAndTheFdb) {
  shell("ip link add flannel.1 mtu 1400 up type vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472");
  shell("ip route add 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink");
  PacketWay found = way(kContainer, kPeer, "br0");
  EXPECT_EQ(found.device, "flannel.1");
  EXPECT_EQ(found.kind, "vxlan");
  EXPECT_TRUE(found.is_up);
  EXPECT_EQ(found.mtu, 1400U);
  EXPECT_EQ(found.via, IpAddress::v4(10, 5, 2, 0));
  EXPECT_FALSE(found.neighbour);
  EXPECT_FALSE(found.remote);
  shell("ip neigh add 10.5.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent");
  EXPECT_EQ(way(kContainer, kPeer, "br0").neighbour, Mac::parse("02:00:00:00:00:02").value());
  shell("bridge fdb add 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent");
  EXPECT_EQ(way(kContainer, kPeer, "br0").remote, IpAddress::v4(192, 0, 2, 2));
  shell("ip link set flannel.1 down");
  EXPECT_FALSE(packet_way(kContainer, kPeer, "br0")) << "its routes are gone";
}

TEST_F(PacketWayTest, SaysWhyAPacketGoesNowhere) {
  const auto none = packet_way(kContainer, kPeer, "br0");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(none.error().text,
            "find the route to 10.5.2.3: netlink RTM_GETROUTE: Network is unreachable");
  EXPECT_EQ(packet_way(kContainer, kPeer, "br9").error().text,
            "find the route to 10.5.2.3: no device br9");
  shell("ip route add blackhole 10.5.2.0/24");
  const auto refused = packet_way(kContainer, kPeer, "br0");
  EXPECT_TRUE(!refused || refused->is_refused);
}

TEST_F(PacketWayTest, AnAddressOfThisHostIsLocal) {
  EXPECT_TRUE(way(kContainer, IpAddress::v4(192, 0, 2, 1), "br0").is_local);
  EXPECT_EQ(way(IpAddress::v4(192, 0, 2, 1), kContainer, "").device, "br0");
}

}  // namespace
}  // namespace flannel::packet_way_test
