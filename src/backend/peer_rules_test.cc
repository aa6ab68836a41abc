// SPDX-License-Identifier: Apache-2.0
#include "backend/peer_rules.h"

#include <gtest/gtest.h>

namespace flannel::peer_rules_test {
namespace {

Lease lease(const char* subnet, const char* public_ip) {
  Lease made;
  made.subnet.v4 = IpPrefix::parse_v4(subnet).value();
  made.attributes.public_ip = IpAddress::parse_v4(public_ip).value();
  return made;
}

// The reason for which the host 192.0.2.1 with subnet 10.5.1.0/24, 172.28.0.4/16 on eth1 and the
// gateway 10.5.9.1 refuses a peer.
std::string refused(const char* subnet, const char* public_ip) {
  HostFacts host;
  host.underlay.interface = "eth0";
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  host.underlay.v4 = {ip, ip};
  host.surroundings.in_use = {{IpAddress::v4(10, 5, 9, 1), "the default gateway"}};
  host.surroundings.local = {{"eth1", IpAddress::v4(172, 28, 0, 4), 16}};
  const auto checked = check_peer(lease("10.5.1.0/24", "192.0.2.1"), lease(subnet, public_ip), host,
                                  {.carrier = IpAddress::parse(public_ip).value()}, "");
  return checked ? "taken" : checked.error().text;
}

TEST(PeerRulesTest, OurOwnOrAnImpossiblePublicIpIsRefused) {
  EXPECT_EQ(refused("10.5.2.0/24", "172.28.0.5"), "taken");
  EXPECT_EQ(refused("10.5.2.0/24", "172.28.0.255"), "taken") << "a host of a /16";
  EXPECT_EQ(refused("10.5.2.0/24", "172.28.0.4"), "its PublicIP 172.28.0.4 is our own, on eth1");
  EXPECT_EQ(refused("10.5.2.0/24", "172.28.255.255"),
            "its PublicIP 172.28.255.255 is the broadcast address of the link of eth1, and no "
            "host's");
  EXPECT_EQ(refused("10.5.2.0/24", "172.28.0.0"),
            "its PublicIP 172.28.0.0 is the network address of the link of eth1, and no host's");
  EXPECT_EQ(refused("10.5.2.0/24", "10.5.1.7"),
            "its PublicIP 10.5.1.7 lies in our own subnet 10.5.1.0/24");
}

TEST(PeerRulesTest, TheSubnetRouterAnycastAddressIsNoHosts) {
  HostFacts host;
  host.surroundings.local = {{"eth1", IpAddress::parse_v6("2001:db8::4").value(), 64}};
  Lease own = lease("10.5.1.0/24", "192.0.2.1");
  Lease peer = lease("10.5.2.0/24", "0.0.0.0");
  const auto why = [&](const char* public_ip) {
    const auto checked =
        check_peer(own, peer, host, {.carrier = IpAddress::parse_v6(public_ip).value()}, "");
    return checked ? "taken" : checked.error().text;
  };
  EXPECT_EQ(why("2001:db8::"),
            "its PublicIPv6 2001:db8:: is the subnet-router anycast address of the link of eth1, "
            "and no host's");
  EXPECT_EQ(why("2001:db8::ffff:ffff:ffff:ffff"), "taken");
}

TEST(PeerRulesTest, ASubnetThatContainsAnAddressInUseIsRefused) {
  EXPECT_EQ(refused("10.5.8.0/24", "192.0.2.2"), "taken");
  EXPECT_EQ(refused("10.5.9.0/24", "192.0.2.2"),
            "its subnet contains 10.5.9.1, the default gateway, which a route to it would cut off");
}

}  // namespace
}  // namespace flannel::peer_rules_test
