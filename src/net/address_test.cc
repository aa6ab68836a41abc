// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <gtest/gtest.h>

namespace flannel::address_test {
namespace {

TEST(Ip4Test, ParsesDottedQuadsOnly) {
  EXPECT_EQ(IpAddress::parse_v4("10.5.0.1").value(), IpAddress::v4(10, 5, 0, 1));
  for (const char* bad : {"", "10.5.0", "10.5.0.1.2", "10.5.0.256", "10.5.0.01", "10.5.0.1 ", "::1",
                          "10.5..1", "0x0a.5.0.1"}) {
    EXPECT_FALSE(IpAddress::parse_v4(bad)) << bad;
  }
}

TEST(Ip4Test, KnowsWhatCanBeAnUnderlayAddress) {
  EXPECT_TRUE(IpAddress::v4(192, 168, 1, 1).is_global_unicast());
  for (const IpAddress no :
       {IpAddress::v4(0, 0, 0, 0), IpAddress::v4(255, 255, 255, 255), IpAddress::v4(127, 0, 0, 1),
        IpAddress::v4(224, 0, 0, 1), IpAddress::v4(169, 254, 1, 1)}) {
    EXPECT_FALSE(no.is_global_unicast()) << to_string(no);
  }
}

TEST(Cidr4Test, ClearsHostBits) {
  EXPECT_EQ(to_string(IpPrefix::parse_v4("10.5.52.1/24").value()), "10.5.52.0/24");
  EXPECT_EQ(to_string(IpPrefix::parse_v4("1.2.3.4/0").value()), "0.0.0.0/0");
  EXPECT_EQ(to_string(IpPrefix::parse_v4("1.2.3.4/32").value()), "1.2.3.4/32");
  for (const char* bad :
       {"10.5.0.0", "10.5.0.0/33", "10.5.0.0/-1", "10.5.0.0/", "/16", "10.5/16"}) {
    EXPECT_FALSE(IpPrefix::parse_v4(bad)) << bad;
  }
}

TEST(Cidr4Test, OverlapIsContainmentEitherWay) {
  const IpPrefix big = IpPrefix::parse_v4("10.5.0.0/16").value();
  const IpPrefix small = IpPrefix::parse_v4("10.5.9.0/24").value();
  const IpPrefix other = IpPrefix::parse_v4("10.6.0.0/24").value();
  EXPECT_TRUE(big.overlaps(small));
  EXPECT_TRUE(small.overlaps(big));
  EXPECT_FALSE(big.overlaps(other));
  EXPECT_TRUE(IpPrefix::parse_v4("0.0.0.0/0").value().overlaps(other));
}

TEST(Ip6Test, PrintsCompressedLowerCase) {
  EXPECT_EQ(to_string(IpAddress::parse_v6("FD00:0:0:0:0:0:0:1").value()), "fd00::1");
  EXPECT_FALSE(IpAddress::parse_v6("10.0.0.1"));
  EXPECT_EQ(to_string(IpPrefix::parse_v6("fd00:12:13:14ff::1/56").value()), "fd00:12:13:1400::/56");
}

TEST(IpAddressTest, AddressesAreOrderedAsNumbersAndIPv4GoesFirst) {
  const std::vector<const char*> ordered{"0.0.0.1",   "1.0.0.0",   "9.255.255.255", "10.0.0.0",
                                         "255.0.0.0", "::1",       "::100",         "::1:0:0:0:0",
                                         "fd00::ff",  "fd00::100", "fd00:1::"};
  std::vector<IpAddress> addresses;
  for (const char* text : ordered)
    addresses.push_back(IpAddress::parse(text).value());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    for (std::size_t j = 0; j < addresses.size(); ++j)
      EXPECT_EQ(addresses[i] <=> addresses[j], i <=> j) << ordered[i] << " " << ordered[j];
  }
}

TEST(MacTest, TakesGosForms) {
  const Mac mac{{0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x0f}};
  EXPECT_EQ(Mac::parse("AA:bb:cc:dd:ee:0f").value(), mac);
  EXPECT_EQ(Mac::parse("aa-bb-cc-dd-ee-0f").value(), mac);
  EXPECT_EQ(Mac::parse("aabb.ccdd.ee0f").value(), mac);
  EXPECT_EQ(to_string(mac), "aa:bb:cc:dd:ee:0f");
  for (const char* bad :
       {"", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:ff:00", "aa:bb:cc:dd:ee:g0", "aabbccddeeff"}) {
    EXPECT_FALSE(Mac::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace flannel::address_test
