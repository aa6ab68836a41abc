// SPDX-License-Identifier: Apache-2.0
#include "core/nested_peers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace flannel::nested_peers_test {
namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse_v4(text).value();
}
IpPrefix net(const char* text) {
  return IpPrefix::parse_v4(text).value();
}

Lease lease(const IpPrefix& subnet, const IpAddress& public_ip) {
  return {SubnetKey::of(subnet), LeaseAttributes::of_host(public_ip)};
}

class NestedPeersTest : public testing::Test {
 protected:
  // The subnets whose trouble may have changed.
  std::string put(const char* subnet, const char* public_ip, Revision created) {
    return text_of(peers_.put(lease(net(subnet), ip(public_ip)), created));
  }
  std::string remove(const char* subnet) { return text_of(peers_.remove(net(subnet))); }
  std::string trouble(const char* subnet) const {
    return peers_.find_trouble(net(subnet)).value_or("none");
  }
  static std::string text_of(std::vector<IpPrefix> subnets) {
    std::ranges::sort(subnets);
    const auto twice = std::ranges::unique(subnets);
    subnets.erase(twice.begin(), twice.end());
    std::string text;
    for (const IpPrefix& subnet : subnets)
      text += (text.empty() ? "" : " ") + to_string(subnet);
    return text;
  }

  NestedPeers peers_{{net("10.5.0.0/16")}};
};

TEST_F(NestedPeersTest, PeersOutsideOfAllSubnetsAreInNoConflict) {
  EXPECT_EQ(put("10.5.2.0/24", "192.0.2.2", 1), "10.5.2.0/24");
  EXPECT_EQ(put("10.5.3.0/24", "10.5.77.3", 2), "10.5.3.0/24") << "in nobody's subnet";
  EXPECT_EQ(put("10.5.4.0/24", "10.5.4.5", 3), "10.5.4.0/24") << "its own: not asked here";
  EXPECT_EQ(put("10.5.1.0/24", "10.5.5.1", 4), "10.5.1.0/24") << "behind all subnets";
  for (const char* subnet :
       {"10.5.1.0/24", "10.5.2.0/24", "10.5.3.0/24", "10.5.4.0/24", "10.5.5.0/24"})
    EXPECT_EQ(trouble(subnet), "none") << subnet;
}

TEST_F(NestedPeersTest, OfTwoPeersInEachOthersSubnetsTheOlderStaysUsable) {
  put("10.5.9.0/24", "10.5.8.5", 1);
  EXPECT_EQ(put("10.5.8.0/24", "10.5.9.5", 2), "10.5.8.0/24 10.5.9.0/24");
  EXPECT_EQ(trouble("10.5.9.0/24"), "none");
  EXPECT_EQ(trouble("10.5.8.0/24"),
            "its PublicIP 10.5.9.5 lies in the older subnet 10.5.9.0/24 of 10.5.8.5: what carries "
            "packets to it would leave by our own device");
}

TEST_F(NestedPeersTest, AYoungerSubnetAroundAPublicIpIsUnreachable) {
  put("10.5.2.0/24", "10.5.9.2", 1);
  EXPECT_EQ(put("10.5.9.0/24", "192.0.2.9", 2), "10.5.2.0/24 10.5.9.0/24");
  EXPECT_EQ(trouble("10.5.2.0/24"), "none");
  EXPECT_EQ(trouble("10.5.9.0/24"),
            "its subnet contains 10.5.9.2, the PublicIP of the older 10.5.2.0/24: what carries "
            "packets to that would leave by our own device");
}

TEST_F(NestedPeersTest, InOneRevisionTheLowerSubnetIsTheOlder) {
  put("10.5.8.0/24", "10.5.9.5", 1);
  put("10.5.9.0/24", "10.5.8.5", 1);
  EXPECT_EQ(trouble("10.5.8.0/24"), "none");
  EXPECT_NE(trouble("10.5.9.0/24"), "none");
}

TEST_F(NestedPeersTest, APeerIsKnownByItsNameAndFoundByEitherSubnet) {
  const IpPrefix v6 = IpPrefix::parse_v6("fd00:5:0:2::/64").value();
  const auto inside = IpAddress::parse_v6("fd00:5:0:2::9").value();
  NestedPeers peers({net("10.5.0.0/16"), IpPrefix::parse_v6("fd00:5::/32").value()});
  const IpPrefix name = net("10.5.2.0/24"), other = net("10.5.3.0/24");
  peers.put(Lease{{name, v6}, LeaseAttributes::of_host(ip("192.0.2.2"))}, 1);
  peers.put(Lease{{other, std::nullopt}, LeaseAttributes::of_host({ip("192.0.2.3"), inside})}, 2);
  EXPECT_TRUE(peers.find_trouble(other)) << "its IPv6 address is in an older subnet";
  EXPECT_EQ(text_of(peers.remove(v6)), to_string(v6)) << "no name of a peer";
  EXPECT_TRUE(peers.find_trouble(other));
  EXPECT_EQ(text_of(peers.remove(name)), "10.5.2.0/24 10.5.3.0/24");
  EXPECT_FALSE(peers.find_trouble(other));
}

TEST_F(NestedPeersTest, APeerThatGoesOrMovesIsNoLongerInConflict) {
  put("10.5.8.0/24", "192.0.2.8", 1);
  put("10.5.2.0/24", "10.5.8.2", 2);
  EXPECT_NE(trouble("10.5.2.0/24"), "none");
  EXPECT_EQ(remove("10.5.8.0/24"), "10.5.2.0/24 10.5.8.0/24");
  EXPECT_EQ(trouble("10.5.2.0/24"), "none");
  put("10.5.8.0/24", "192.0.2.8", 3);
  EXPECT_NE(trouble("10.5.8.0/24"), "none") << "it is the younger one now";
  EXPECT_EQ(put("10.5.2.0/24", "192.0.2.2", 2), "10.5.2.0/24 10.5.8.0/24");
  EXPECT_EQ(trouble("10.5.8.0/24"), "none");
}

// After any changes no public IP of a usable peer is in the subnet of another usable peer, and the
// subnets that put() and remove() returned are all whose trouble changed.
TEST_F(NestedPeersTest, UsablePeersAreInNoConflict) {
  std::mt19937 random(3);
  std::map<IpPrefix, IpAddress> all;
  std::map<IpPrefix, bool> stays;
  for (Revision now = 1; now <= 3000; ++now) {
    const IpPrefix subnet = IpPrefix::of(IpAddress::v4(10, 5, 0, 0).plus(random() % 8, 8), 24);
    const IpAddress public_ip = IpAddress::v4(10, 5, 0, 5).plus(random() % 12, 8);
    const bool gone = random() % 4 == 0;
    const auto ask =
        gone ? peers_.remove(subnet) : peers_.put(lease(subnet, public_ip), random() % 50);
    if (gone) {
      all.erase(subnet);
    } else {
      all[subnet] = public_ip;
    }
    for (const IpPrefix& one : ask)
      stays[one] = all.contains(one) && !peers_.find_trouble(one);
    for (const auto& [one, public_ip_of_one] : all) {
      ASSERT_EQ(stays[one], !peers_.find_trouble(one)) << to_string(one);
      if (!stays[one]) continue;
      for (const auto& [other, ignored] : all) {
        ASSERT_FALSE(other != one && stays[other] && other.contains(public_ip_of_one));
      }
    }
  }
}

TEST_F(NestedPeersTest, OtherNetworksFindTheConflictsOfPeersThatAreThere) {
  put("10.5.9.0/24", "192.0.2.9", 1);
  put("10.6.8.0/24", "192.0.2.8", 2);
  put("10.5.7.0/24", "10.6.8.5", 3);
  EXPECT_EQ(trouble("10.6.8.0/24"), "none") << "outside of the network";
  peers_.set_networks({net("10.4.0.0/14")});
  put("10.6.8.0/24", "192.0.2.8", 4);
  EXPECT_NE(trouble("10.6.8.0/24"), "none");
  peers_.set_networks({net("10.5.0.0/16")});
  EXPECT_EQ(trouble("10.6.8.0/24"), "none");
}

}  // namespace
}  // namespace flannel::nested_peers_test
