// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/route_placement.h"

#include <gtest/gtest.h>

namespace flannel::route_placement_test {
namespace {

Route route(std::string_view to, IpAddress via = IpAddress::v4(192, 0, 2, 9)) {
  return {.to = *IpPrefix::parse_v4(to), .via = via, .link = "flannel.1"};
}

constexpr std::uint32_t k10_5_2_0 = 0x0a050200;
constexpr std::uint32_t k10_5_3_0 = 0x0a050300;

class RoutePlacementTest : public ::testing::Test {
 protected:
  // "plain", "object 1 fresh", "object 1", with the suffix " unused 2" if an object is no longer
  // used.
  static std::string words(const RoutePlacement::Form& form) {
    std::string text =
        form.nexthop == 0 ? "plain" : "object " + to_string(IpAddress::v4(form.nexthop));
    if (form.fresh) text += " fresh";
    if (form.unused != 0) text += " unused " + to_string(IpAddress::v4(form.unused));
    return text;
  }

  RoutePlacement routes_{1};
};

TEST_F(RoutePlacementTest, TheFirstArePlainAndTheOthersHaveObjects) {
  EXPECT_EQ(words(routes_.place(route("10.5.1.0/24"))), "plain fresh");
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "object 10.5.2.0 fresh");
  EXPECT_EQ(words(routes_.place(route("10.5.3.0/24"))), "object 10.5.3.0 fresh");
  EXPECT_TRUE(routes_.owns(k10_5_3_0));
}

TEST_F(RoutePlacementTest, ARouteKeepsItsForm) {
  routes_.found(route("10.5.2.0/24"), k10_5_2_0, true);
  routes_.found(route("10.5.3.0/24"), 0, false);
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24", IpAddress::v4(192, 0, 2, 8)))),
            "object 10.5.2.0");
  EXPECT_EQ(words(routes_.place(route("10.5.3.0/24", IpAddress::v4(192, 0, 2, 8)))), "plain");
}

TEST_F(RoutePlacementTest, ARemovedRouteMakesRoomAndFreesItsObject) {
  routes_.place(route("10.5.1.0/24"));
  routes_.place(route("10.5.2.0/24"));
  EXPECT_EQ(words(routes_.take(route("10.5.2.0/24"))), "object 10.5.2.0 unused 10.5.2.0");
  EXPECT_EQ(words(routes_.take(route("10.5.1.0/24"))), "plain");
  EXPECT_EQ(words(routes_.take(route("10.5.1.0/24"))), "plain") << "gone already";
  EXPECT_FALSE(routes_.owns(k10_5_2_0));
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "plain fresh");
}

TEST_F(RoutePlacementTest, TheDoubleOfARouteTakesNothingAlong) {
  routes_.found(route("10.5.2.0/24"), k10_5_2_0, true);
  routes_.found(route("10.5.2.0/24", IpAddress::v4(192, 0, 2, 8)), 0, false);
  EXPECT_EQ(words(routes_.take(route("10.5.2.0/24", IpAddress::v4(192, 0, 2, 8)))), "plain");
  EXPECT_TRUE(routes_.owns(k10_5_2_0));
}

TEST_F(RoutePlacementTest, WithoutAGatewayThereIsNoObject) {
  routes_.place(route("10.5.1.0/24"));
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24", IpAddress{}))), "plain fresh");
  routes_.found(route("10.5.3.0/24"), k10_5_3_0, true);
  EXPECT_EQ(words(routes_.place(route("10.5.3.0/24", IpAddress{}))), "plain unused 10.5.3.0");
  EXPECT_FALSE(routes_.owns(k10_5_3_0));
}

TEST_F(RoutePlacementTest, TwoNetworksWithOneBaseDoNotShareAnObject) {
  routes_.place(route("10.5.1.0/24"));
  routes_.place(route("10.5.2.0/24"));
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/25"))), "plain fresh");
}

TEST_F(RoutePlacementTest, AnObjectOfOthersIsLeftToThem) {
  routes_.found(route("10.5.2.0/24"), 7, false);
  EXPECT_FALSE(routes_.owns(7));
  EXPECT_EQ(words(routes_.take(route("10.5.2.0/24"))), "object 0.0.0.7");
  routes_.found(route("10.5.2.0/24"), 7, false);
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "plain");
  EXPECT_EQ(words(routes_.take(route("10.5.2.0/24"))), "plain");
}

TEST_F(RoutePlacementTest, WhatCouldNotBePutIsNotCounted) {
  routes_.drop(route("10.5.1.0/24").to);
  routes_.place(route("10.5.1.0/24"));
  routes_.drop(route("10.5.1.0/24").to);
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "plain fresh");
}

TEST_F(RoutePlacementTest, AnOldKernelHasPlainRoutesOnly) {
  routes_.place(route("10.5.1.0/24"));
  routes_.use_plain_only();
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "plain fresh");
}

}  // namespace
}  // namespace flannel::route_placement_test
