// SPDX-License-Identifier: Apache-2.0
#include "core/node_id.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

namespace flannel::node_id_test {
namespace {

NodeId counting() {
  NodeId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i)
    id.bytes[i] = static_cast<std::uint8_t>(i);
  return id;
}

int differing_bits(const Mac& a, const Mac& b) {
  int bits = 0;
  for (std::size_t i = 0; i < a.bytes.size(); ++i) {
    bits += std::popcount(static_cast<unsigned>(a.bytes[i] ^ b.bytes[i]));
  }
  return bits;
}

TEST(NodeIdTest, IsThirtyTwoHexadecimalDigits) {
  EXPECT_EQ(to_string(counting()), "000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(decode_node_id("000102030405060708090a0b0c0d0e0f\n").value(), counting());
  EXPECT_EQ(decode_node_id("000102030405060708090A0B0C0D0E0F").value(), counting());
  for (const char* bad :
       {"", "\n", "000102030405060708090a0b0c0d0e0", "x", "000102030405060708090a0b0c0d0e0g",
        "000102030405060708090a0b0c0d0e0f00", "0x0102030405060708090a0b0c0d0e0f",
        "00010203-0405-0607-0809-0a0b0c0d0e0f", "000102030405060708090a0b 0c0d0e0"}) {
    EXPECT_FALSE(decode_node_id(bad)) << bad;
  }
}

TEST(BootNumberTest, DiffersBetweenNetworkNamespacesOfOneBoot) {
  constexpr const char* kBoot = "4e1f0c3a-93b6-4a0d-8d0c-0f3f7c9f2a11\n";
  EXPECT_NE(boot_number(kBoot, 1), boot_number(kBoot, 2));
  EXPECT_NE(boot_number(kBoot, 1), boot_number("00000000-93b6-4a0d-8d0c-0f3f7c9f2a11", 1));
  EXPECT_EQ(boot_number(kBoot, 1), boot_number("4e1f0c3a-93b6-4a0d-8d0c-0f3f7c9f2a11", 1));
}

TEST(NodeIdTest, WhatIsNoNodeIdIsNotRepeated) {
  EXPECT_EQ(decode_node_id("root:x:0:0").error().text,
            "it is not a node id of 32 hexadecimal digits");
}

TEST(VtepMacTest, IsTheSameInEveryRelease) {
  EXPECT_EQ(to_string(vtep_mac(NodeId{}, 0)), "a6:06:dd:2f:4d:19");
  EXPECT_EQ(to_string(vtep_mac(counting(), 1)), "22:a1:db:62:25:4d");
  EXPECT_EQ(to_string(vtep_mac(counting(), 2)), "de:2a:01:76:0d:2c");
}

TEST(VtepMacTest, IsLocallyAdministeredUnicastAndHardlyEverTheSameTwice) {
  std::set<Mac> seen;
  for (std::uint32_t n = 0; n < 20000; ++n) {
    NodeId id;
    id.bytes[14] = static_cast<std::uint8_t>(n >> 8);
    id.bytes[15] = static_cast<std::uint8_t>(n);
    const Mac mac = vtep_mac(id, 1);
    EXPECT_EQ(mac.bytes[0] & 3, 2) << to_string(mac);
    EXPECT_TRUE(seen.insert(mac).second) << to_string(mac);
  }
}

TEST(VtepMacTest, EachBitOfNodeAndVniMatters) {
  const Mac plain = vtep_mac(counting(), 7);
  for (std::size_t bit = 0; bit < 128; ++bit) {
    NodeId id = counting();
    id.bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_GT(differing_bits(plain, vtep_mac(id, 7)), 8) << "bit " << bit;
  }
  for (int bit = 0; bit < 24; ++bit) {
    EXPECT_GT(differing_bits(plain, vtep_mac(counting(), 7 ^ 1U << bit)), 8) << "VNI bit " << bit;
  }
}

}  // namespace
}  // namespace flannel::node_id_test
