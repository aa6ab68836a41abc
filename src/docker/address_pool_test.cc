// SPDX-License-Identifier: Apache-2.0
#include "docker/address_pool.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace flannel::address_pool_test {
namespace {

IpPrefix net(const std::string& text) {
  return IpPrefix::parse(text).value();
}

IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}

AddressPool pool_of(const std::string& subnet) {
  return AddressPool({.network = "", .subnet = net(subnet)});
}

TEST(AddressPoolTest, GivesEachAddressOnceAndThenWords) {
  AddressPool pool = pool_of("10.5.34.0/24");
  ASSERT_TRUE(pool.take_gateway(pool.gateway()));
  EXPECT_EQ(pool.room(), 253U);
  std::set<IpAddress> given;
  for (int i = 0; i < 253; ++i) {
    const auto address = pool.take_next();
    ASSERT_TRUE(address.has_value()) << address.error().text;
    EXPECT_TRUE(given.insert(*address).second) << to_string(*address);
  }
  EXPECT_EQ(*given.begin(), ip("10.5.34.2"));
  EXPECT_EQ(*given.rbegin(), ip("10.5.34.254"));
  EXPECT_EQ(pool.containers(), 253U);
  EXPECT_EQ(pool.take_next().error().kind, ErrorKind::exhausted);
  pool.give_back(ip("10.5.34.77"));
  EXPECT_EQ(pool.take_next(), ip("10.5.34.77"));
}

TEST(AddressPoolTest, GoesRoundBeforeItUsesAnAddressAgain) {
  AddressPool pool = pool_of("10.5.34.0/29");
  std::vector<IpAddress> given;
  for (int i = 0; i < 6; ++i) {
    given.push_back(*pool.take_next());
    pool.give_back(given.back());
  }
  EXPECT_EQ(given, (std::vector{ip("10.5.34.2"), ip("10.5.34.3"), ip("10.5.34.4"), ip("10.5.34.5"),
                                ip("10.5.34.6"), ip("10.5.34.2")}));
}

TEST(AddressPoolTest, HasRoomInSubnetsOfAllLengths) {
  EXPECT_EQ(pool_of("10.5.34.0/30").room(), 1U);
  EXPECT_EQ(pool_of("10.5.34.0/31").room(), 0U);
  EXPECT_EQ(pool_of("10.5.34.0/32").room(), 0U);
  EXPECT_EQ(pool_of("fd00:5:0:1::/126").room(), 2U);
  EXPECT_GT(pool_of("fd00:5:0:1::/64").room(), std::uint64_t{1} << 63);
  for (const char* subnet : {"10.5.34.0/31", "10.5.34.0/32", "255.255.255.255/32", "fd00::1/128"}) {
    AddressPool pool = pool_of(subnet);
    EXPECT_FALSE(pool.take_next()) << subnet;
    EXPECT_FALSE(pool.take_gateway(pool.gateway())) << subnet;
  }
  AddressPool last = pool_of("255.255.255.0/24");
  for (int i = 0; i < 253; ++i)
    ASSERT_TRUE(last.take_next());
  EXPECT_FALSE(last.take_next());
  AddressPool v6 = pool_of("fd00:5:0:1::/64");
  EXPECT_EQ(v6.take_next(), ip("fd00:5:0:1::2"));
}

TEST(AddressPoolTest, TakesWhatIsAskedForByName) {
  AddressPool pool = pool_of("10.5.34.0/24");
  ASSERT_TRUE(pool.take_gateway(ip("10.5.34.254")));
  EXPECT_TRUE(pool.take(ip("10.5.34.1"), false));
  EXPECT_EQ(pool.take(ip("10.5.34.1"), false).error().text, "the address 10.5.34.1 is taken");
  for (const char* address : {"10.5.34.0", "10.5.34.255", "10.5.35.7", "fd00::1"}) {
    EXPECT_EQ(pool.take(ip(address), false).error().kind, ErrorKind::invalid) << address;
  }
  EXPECT_EQ(pool.take(ip("10.5.34.254"), false).error().kind, ErrorKind::exists);
  EXPECT_TRUE(pool.take_gateway(ip("10.5.34.254"))) << "Docker names the gateway again";
  EXPECT_EQ(pool.containers(), 1U);
}

TEST(AddressPoolTest, WhatIsDoubtfulIsTakenUntilAReplayIsOver) {
  AddressPool pool = pool_of("10.5.34.0/29");
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(pool.take_next());
  pool.doubt_all();
  EXPECT_FALSE(pool.has_containers());
  EXPECT_EQ(pool.take_next(), ip("10.5.34.5"));
  EXPECT_EQ(pool.take(ip("10.5.34.2"), false).error().kind, ErrorKind::exists);
  EXPECT_TRUE(pool.take(ip("10.5.34.2"), true));
  EXPECT_EQ(pool.take(ip("10.5.34.2"), true).error().kind, ErrorKind::exists)
      << "of two containers";
  EXPECT_TRUE(pool.has_doubtful());
  pool.free_doubtful();
  EXPECT_EQ(pool.containers(), 2U);
}

}  // namespace
}  // namespace flannel::address_pool_test
