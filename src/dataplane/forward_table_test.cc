// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward_table.h"

#include <gtest/gtest.h>

#include <random>

#include "support/slow_packets.h"

namespace flannel::forward_table_test {
namespace {

IpEndpoint at(std::string_view ip) {
  return {*IpAddress::parse(ip), 8285};
}

// Addresses are written as numbers, which stand for one of either family: 0x0a050201 is 10.5.2.1
// or fd00:a05:0:2::1.
class ForwardTableTest : public testing::TestWithParam<Family> {
 protected:
  static bool v6() { return GetParam() == Family::v6; }
  static IpAddress ip(std::uint32_t number) { return slow::address(number, v6()); }
  static OverlayPeer peer(std::uint32_t number, std::uint8_t bits, std::string_view endpoint) {
    return {slow::network(number, v6(), bits), at(endpoint)};
  }
  static OverlayHost host() {
    OverlayHost host;
    (v6() ? host.v6 : host.v4) = OwnSubnet{.subnet = slow::network(0x0a050100, v6())};
    return host;
  }
  static std::string owner(const ForwardTable& table, std::uint32_t number) {
    const IpEndpoint* found = table.find(ip(number));
    return found == nullptr ? "nobody" : to_string(found->ip);
  }
};

INSTANTIATE_TEST_SUITE_P(Of, ForwardTableTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(ForwardTableTest, WithoutPeersHasNoRoute) {
  EXPECT_EQ(owner(ForwardTable({}, {}), 0x0a050201), "nobody");
}

TEST_P(ForwardTableTest, FindsTheOwnerOfASubnet) {
  const ForwardTable table(
      host(), {peer(0x0a050200, 24, "192.0.2.2"), peer(0x0a050300, 24, "2001:db8::3")});
  EXPECT_EQ(owner(table, 0x0a050200), "192.0.2.2");
  EXPECT_EQ(owner(table, 0x0a0502ff), "192.0.2.2");
  EXPECT_EQ(owner(table, 0x0a050307), "2001:db8::3") << "of either family";
  EXPECT_EQ(owner(table, 0x0a050401), "nobody");
  EXPECT_EQ(table.size(), 2u);
}

TEST_P(ForwardTableTest, TheLongestPrefixWins) {
  std::vector<OverlayPeer> peers{
      peer(0x0a050000, 16, "192.0.2.1"), peer(0x0a050200, 24, "192.0.2.2"),
      peer(0x0a050209, 24, "192.0.2.3"), peer(0x0a000000, 8, "192.0.2.4")};
  peers[2].subnet = IpPrefix::of(ip(0x0a050209), address_bits(GetParam()));
  if (v6()) peers[3].subnet = IpPrefix::of(ip(0x0a000000), 24);
  const ForwardTable table(host(), peers);
  EXPECT_EQ(owner(table, 0x0a050209), "192.0.2.3");
  EXPECT_EQ(owner(table, 0x0a050208), "192.0.2.2");
  EXPECT_EQ(owner(table, 0x0a050308), "192.0.2.1");
  EXPECT_EQ(owner(table, 0x0a060308), "192.0.2.4");
}

TEST_P(ForwardTableTest, OfTwoPeersWithOneSubnetTheLaterCounts) {
  const ForwardTable table(host(),
                           {peer(0x0a050200, 24, "192.0.2.2"), peer(0x0a050200, 24, "192.0.2.9")});
  EXPECT_EQ(owner(table, 0x0a050201), "192.0.2.9");
  EXPECT_EQ(table.size(), 1u);
}

TEST_P(ForwardTableTest, NoEndpointHasAnOwner) {
  const auto in = [](std::uint32_t number) { return to_string(ip(number)); };
  const ForwardTable table(
      host(), {peer(0x0a050200, 24, "192.0.2.2"), peer(0x0a050800, 24, in(0x0a050905)),
               peer(0x0a050900, 24, in(0x0a050805)), peer(0x0a050a00, 24, in(0x0a050a05)),
               peer(0x0a050b00, 24, in(0x0a050105)), peer(0x0a050c00, 24, in(0x0a054d01))});
  EXPECT_EQ(owner(table, 0x0a050201), "192.0.2.2");
  EXPECT_EQ(owner(table, 0x0a050c01), in(0x0a054d01)) << "in the network, but nobody's";
  for (const std::uint32_t left_out : {0x0a050801u, 0x0a050901u, 0x0a050a01u, 0x0a050b01u})
    EXPECT_EQ(owner(table, left_out), "nobody") << std::hex << left_out;
  EXPECT_EQ(table.size(), 2U);
  EXPECT_TRUE(table.is_endpoint(ip(0x0a054d01)));
  EXPECT_FALSE(table.is_endpoint(ip(0x0a050905)));
}

TEST_P(ForwardTableTest, AgreesWithALinearSearch) {
  std::mt19937 random(7);
  const auto number = [&] { return 0x0a050000 + static_cast<std::uint32_t>(random() % 65536); };
  const int look_ups = v6() ? 200 : 2000;  // the search takes long for IPv6 under the sanitizers
  for (int round = 0; round < 20; ++round) {
    std::vector<OverlayPeer> peers;
    for (std::uint32_t i = 0; i < 500; ++i) {
      const std::uint64_t bits = v6() ? 54 + random() % 75 : 20 + random() % 9;
      peers.push_back({IpPrefix::of(ip(number()), static_cast<std::uint8_t>(bits)),
                       {IpAddress::v4(0xc0000200 + i), 8285}});
    }
    const ForwardTable table(host(), peers);
    for (int i = 0; i < look_ups; ++i) {
      const IpAddress address = ip(number());
      const OverlayPeer* best = nullptr;
      for (const OverlayPeer& one : peers) {
        if (!one.subnet.contains(address)) continue;
        if (best == nullptr || one.subnet.bits >= best->subnet.bits) best = &one;
      }
      const IpEndpoint* found = table.find(address);
      ASSERT_EQ(found != nullptr, best != nullptr) << to_string(address);
      if (best == nullptr) continue;
      ASSERT_EQ(*found, best->endpoint) << to_string(address);
    }
  }
}

TEST(ForwardTableOfBothFamilies, KeepsThemApart) {
  const IpPrefix net4 = *IpPrefix::parse("10.5.2.0/24");
  const IpPrefix net6 = *IpPrefix::parse("fd00:12:0:2::/64");
  const ForwardTable table({.v4 = OwnSubnet{.subnet = *IpPrefix::parse("10.5.1.0/24")}, .v6 = {}},
                           {{net4, at("192.0.2.2")}, {net6, at("2001:db8::2")}});
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(*table.find(net4.base), at("192.0.2.2"));
  EXPECT_EQ(*table.find(net6.base), at("2001:db8::2"));
  EXPECT_TRUE(table.host().owns(*IpAddress::parse("10.5.1.7")));
  EXPECT_FALSE(table.host().owns(*IpAddress::parse("fd00:12:0:1::7"))) << "we have no IPv6 subnet";
}

TEST(ForwardTableOfBothFamilies, BytesGoOnInTheNextTableUnlessThePeerIsAnother) {
  const IpPrefix one = *IpPrefix::parse("10.5.2.0/24"), other = *IpPrefix::parse("10.5.3.0/24");
  const ForwardTable first({}, {{one, at("192.0.2.2")}, {other, at("192.0.2.3")}});
  for (const IpPrefix& subnet : {one, other})
    first.bytes_of(*first.find_peer(subnet.base)).sent += 7;
  const ForwardTable next({}, {{other, at("192.0.2.9")}, {one, at("192.0.2.2")}}, &first);
  EXPECT_EQ(next.bytes_of(one)->sent, 7U);
  EXPECT_EQ(next.bytes_of(other)->sent, 0U) << "another host has the subnet now";
  // A thread that still has the table before counts for the same peer.
  first.bytes_of(*first.find_peer(one.base)).sent += 1;
  EXPECT_EQ(next.bytes_of(one)->sent, 8U);
  EXPECT_EQ(next.bytes_of(*IpPrefix::parse("10.5.2.0/25")), nullptr);
}

TEST(ForwardTableOfBothFamilies, AnEndpointInASubnetOfTheOtherKindIsLeftOutToo) {
  const ForwardTable table({}, {{*IpPrefix::parse("10.5.2.0/24"), at("fd00:12:0:3::1")},
                                {*IpPrefix::parse("fd00:12:0:3::/64"), at("192.0.2.3")}});
  EXPECT_EQ(table.find(*IpAddress::parse("10.5.2.1")), nullptr);
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace flannel::forward_table_test
