// SPDX-License-Identifier: Apache-2.0
// Hosts change their MTU one after another: routes carry the smaller one of both ends.
#include <gtest/gtest.h>

#include "backend/backend.h"

namespace flannel::route_mtu_test {
namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

// The host 2 with both families, and its peer 3.
class RouteMtuTest : public ::testing::Test {
 protected:
  static NetworkConfig config(const std::string& backend) {
    return parse_network_config(
               R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48",)"
               R"("Backend":)" +
               backend + "}")
        .value()
        .config;
  }
  static HostFacts host(const char* ip4, const char* ip6, std::uint32_t mtu) {
    HostFacts facts;
    facts.underlay = {.interface = "eth0", .interface_index = 2, .mtu = mtu};
    facts.underlay.v4 = UnderlayAddress{ip(ip4), ip(ip4)};
    facts.underlay.v6 = UnderlayAddress{ip(ip6), ip(ip6)};
    facts.tun_device = "flannel0";
    return facts;
  }
  static Lease lease(const char* subnet, const char* subnet6, const LeaseAttributes& attributes) {
    return {{IpPrefix::parse_v4(subnet).value(), IpPrefix::parse_v6(subnet6).value()}, attributes};
  }
  // The peer's lease, as the peer writes it and we read it.
  static Lease peer(const std::string& backend, std::uint32_t underlay_mtu) {
    const HostFacts there = host("192.0.2.3", "2001:db8::3", underlay_mtu);
    const auto theirs = make_backend(config(backend), there.underlay).value().backend;
    const std::string value = encode_lease_value(theirs->announce(there, nullptr));
    return lease("10.5.3.0/24", "fd00:5:0:3::/64", decode_lease_value(value).value());
  }
  // Our routes to it.
  std::string routes(const std::string& backend, const Lease& to) const {
    const HostFacts here = ours();
    const auto mine = make_backend(config(backend), here.underlay).value().backend;
    const Lease own = lease("10.5.2.0/24", "fd00:5:0:2::/64", mine->announce(here, nullptr));
    NetState all;
    for (const Family family : kFamilies) {
      const PeerPath path{.family = family,
                          .carrier = mine->carrier(to, family, here).value(),
                          .on_link = mine->wants_on_link()};
      all = joined(std::move(all), mine->peer_state(own, to, here, path).value());
    }
    NetState only_routes;
    only_routes.routes = all.routes;
    return dump(only_routes);
  }
  HostFacts ours() const {
    HostFacts here = host("192.0.2.2", "2001:db8::2", mtu_);
    here.route_each_peer = route_each_peer_;
    return here;
  }

  std::uint32_t mtu_ = 1500;
  bool route_each_peer_ = false;
};

TEST_F(RouteMtuTest, ALeaseAnnouncesTheMtuOfContainers) {
  const auto announced = [](const char* backend) { return peer(backend, 1400).attributes.mtu; };
  EXPECT_EQ(announced(R"({"Type":"vxlan"})"), 1330U);
  EXPECT_EQ(announced(R"({"Type":"vxlan","MTU":1360})"), 1290U);
  EXPECT_EQ(announced(R"({"Type":"udp"})"), 1352U);
  EXPECT_EQ(announced(R"({"Type":"host-gw"})"), 1400U);
  EXPECT_EQ(announced(R"({"Type":"alloc"})"), 0U) << "it has no routes";
  EXPECT_EQ(peer(R"({"Type":"host-gw"})", 100'000).attributes.mtu, 65535U);
}

TEST_F(RouteMtuTest, ARouteHasTheMtuOfAPeerThatHasASmallerOne) {
  EXPECT_EQ(routes(R"({"Type":"vxlan"})", peer(R"({"Type":"vxlan"})", 1400)),
            "route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink mtu 1330\n"
            "route fd00:5:0:3::/64 via fd00:5:0:3:: dev flannel-v6.1 onlink mtu 1330\n");
  const std::string direct = R"({"Type":"vxlan","DirectRouting":true})";
  EXPECT_EQ(routes(direct, peer(direct, 1400)),
            "route 10.5.3.0/24 via 192.0.2.3 dev eth0 mtu 1330\n"
            "route fd00:5:0:3::/64 via 2001:db8::3 dev eth0 mtu 1330\n");
  EXPECT_EQ(routes(R"({"Type":"host-gw"})", peer(R"({"Type":"host-gw"})", 1400)),
            "route 10.5.3.0/24 via 192.0.2.3 dev eth0 mtu 1400\n"
            "route fd00:5:0:3::/64 via 2001:db8::3 dev eth0 mtu 1400\n");
}

TEST_F(RouteMtuTest, OfTwoEndsThatAgreeOrIfOursIsSmallerTheDeviceDecides) {
  const std::string plain =
      "route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink\n"
      "route fd00:5:0:3::/64 via fd00:5:0:3:: dev flannel-v6.1 onlink\n";
  EXPECT_EQ(routes(R"({"Type":"vxlan"})", peer(R"({"Type":"vxlan"})", 1500)), plain);
  EXPECT_EQ(routes(R"({"Type":"vxlan"})", peer(R"({"Type":"vxlan"})", 9000)), plain);
  mtu_ = 1400;
  EXPECT_EQ(routes(R"({"Type":"vxlan"})", peer(R"({"Type":"vxlan"})", 1500)), plain);
}

TEST_F(RouteMtuTest, TheNetworksRouteOfUdpIsJoinedByOneToAPeerWithASmallerMtu) {
  const std::string udp = R"({"Type":"udp"})";
  EXPECT_EQ(routes(udp, peer(udp, 1500)), "");
  EXPECT_EQ(routes(udp, peer(udp, 1400)),
            "route 10.5.3.0/24 dev flannel0 mtu 1352\n"
            "route fd00:5:0:3::/64 dev flannel0 mtu 1352\n");
  route_each_peer_ = true;
  EXPECT_EQ(routes(udp, peer(udp, 1500)),
            "route 10.5.3.0/24 dev flannel0\n"
            "route fd00:5:0:3::/64 dev flannel0\n");
  EXPECT_EQ(routes(udp, peer(udp, 1400)),
            "route 10.5.3.0/24 dev flannel0 mtu 1352\n"
            "route fd00:5:0:3::/64 dev flannel0 mtu 1352\n");
}

// A host that takes packets of no more than 575 bytes is none, and in IPv6 1279 bytes.
TEST_F(RouteMtuTest, AnMtuBelowThatOfEveryHostHasNoEffect) {
  const auto with_mtu = [this](std::uint32_t mtu) {
    Lease odd = peer(R"({"Type":"host-gw"})", 1500);
    odd.attributes.mtu = mtu;
    return routes(R"({"Type":"host-gw"})", odd);
  };
  for (const std::uint32_t mtu : {0U, 1U, 68U, 575U}) {
    EXPECT_EQ(with_mtu(mtu),
              "route 10.5.3.0/24 via 192.0.2.3 dev eth0\n"
              "route fd00:5:0:3::/64 via 2001:db8::3 dev eth0\n")
        << mtu;
  }
  EXPECT_EQ(with_mtu(1279),
            "route 10.5.3.0/24 via 192.0.2.3 dev eth0 mtu 1279\n"
            "route fd00:5:0:3::/64 via 2001:db8::3 dev eth0\n");
  EXPECT_EQ(with_mtu(1280),
            "route 10.5.3.0/24 via 192.0.2.3 dev eth0 mtu 1280\n"
            "route fd00:5:0:3::/64 via 2001:db8::3 dev eth0 mtu 1280\n");
}

}  // namespace
}  // namespace flannel::route_mtu_test
