// SPDX-License-Identifier: Apache-2.0
#include "dataplane/forward_table.h"

#include <gtest/gtest.h>

#include <random>

namespace flannel::forward_table_test {
namespace {

const OverlayHost kHost{.subnet = *IpPrefix::parse_v4("10.5.1.0/24")};

OverlayPeer peer(const char* subnet, const char* ip) {
  return {*IpPrefix::parse_v4(subnet), {*IpAddress::parse_v4(ip), 8285}};
}

std::string owner(const ForwardTable& table, const char* address) {
  const IpEndpoint* found = table.find(*IpAddress::parse_v4(address));
  return found == nullptr ? "nobody" : to_string(found->ip);
}

TEST(ForwardTable, WithoutPeersHasNoRoute) {
  EXPECT_EQ(owner(ForwardTable({}, {}), "10.5.2.1"), "nobody");
}

TEST(ForwardTable, FindsTheOwnerOfASubnet) {
  const ForwardTable table(kHost,
                           {peer("10.5.2.0/24", "192.0.2.2"), peer("10.5.3.0/24", "192.0.2.3")});
  EXPECT_EQ(owner(table, "10.5.2.0"), "192.0.2.2");
  EXPECT_EQ(owner(table, "10.5.2.255"), "192.0.2.2");
  EXPECT_EQ(owner(table, "10.5.3.7"), "192.0.2.3");
  EXPECT_EQ(owner(table, "10.5.4.1"), "nobody");
  EXPECT_EQ(table.size(), 2u);
}

TEST(ForwardTable, TheLongestPrefixWins) {
  const ForwardTable table(kHost,
                           {peer("10.5.0.0/16", "192.0.2.1"), peer("10.5.2.0/24", "192.0.2.2"),
                            peer("10.5.2.9/32", "192.0.2.3"), peer("10.0.0.0/8", "192.0.2.4")});
  EXPECT_EQ(owner(table, "10.5.2.9"), "192.0.2.3");
  EXPECT_EQ(owner(table, "10.5.2.8"), "192.0.2.2");
  EXPECT_EQ(owner(table, "10.5.3.8"), "192.0.2.1");
  EXPECT_EQ(owner(table, "10.6.3.8"), "192.0.2.4");
}

TEST(ForwardTable, OfTwoPeersWithOneSubnetTheLaterCounts) {
  const ForwardTable table(kHost,
                           {peer("10.5.2.0/24", "192.0.2.2"), peer("10.5.2.0/24", "192.0.2.9")});
  EXPECT_EQ(owner(table, "10.5.2.1"), "192.0.2.9");
  EXPECT_EQ(table.size(), 1u);
}

TEST(ForwardTable, NoEndpointHasAnOwner) {
  const ForwardTable table(kHost,
                           {peer("10.5.2.0/24", "192.0.2.2"), peer("10.5.8.0/24", "10.5.9.5"),
                            peer("10.5.9.0/24", "10.5.8.5"), peer("10.5.10.0/24", "10.5.10.5"),
                            peer("10.5.11.0/24", "10.5.1.5"), peer("10.5.12.0/24", "10.5.77.1")});
  EXPECT_EQ(owner(table, "10.5.2.1"), "192.0.2.2");
  EXPECT_EQ(owner(table, "10.5.12.1"), "10.5.77.1") << "in the network, but nobody's";
  for (const char* left_out : {"10.5.8.1", "10.5.9.1", "10.5.10.1", "10.5.11.1"})
    EXPECT_EQ(owner(table, left_out), "nobody") << left_out;
  EXPECT_EQ(table.size(), 2U);
  EXPECT_TRUE(table.is_endpoint(*IpAddress::parse_v4("10.5.77.1")));
  EXPECT_FALSE(table.is_endpoint(*IpAddress::parse_v4("10.5.9.5")));
}

TEST(ForwardTable, AgreesWithALinearSearch) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<OverlayPeer> peers;
    for (std::uint32_t i = 0; i < 500; ++i) {
      const auto bits = static_cast<std::uint8_t>(20 + random() % 9);
      peers.push_back({IpPrefix::of(IpAddress::v4(10, 5, 0, 0).plus(random() % 65536), bits),
                       {IpAddress::v4(192, 0, 2, 0).plus(i), 8285}});
    }
    const ForwardTable table(kHost, peers);
    for (std::uint32_t i = 0; i < 2000; ++i) {
      const IpAddress address = IpAddress::v4(10, 5, 0, 0).plus(random() % 65536);
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

}  // namespace
}  // namespace flannel::forward_table_test
