// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/route_placement.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace flannel::route_placement_test {
namespace {

Route route(std::string_view to, IpAddress via = IpAddress::v4(192, 0, 2, 9)) {
  return {.to = *IpPrefix::parse(to), .via = via, .link = "flannel.1"};
}

constexpr std::uint32_t kOld2 = 0x0a050200;  // as an earlier release numbered them
constexpr std::uint32_t kOld3 = 0x0a050300;

class RoutePlacementTest : public ::testing::Test {
 protected:
  // "plain", "object 1 fresh", "object 1", with the suffix " unused 2" if an object is no longer
  // used. New objects are numbered from "new 0" on.
  std::string words(const RoutePlacement::Form& form) {
    std::string text = form.nexthop == 0 ? "plain" : "object " + name(form.nexthop);
    if (form.fresh) text += " fresh";
    if (form.unused != 0) text += " unused " + name(form.unused);
    return text;
  }
  std::string name(std::uint32_t id) {
    if (id < RoutePlacement::kFirstId) return std::to_string(id);
    if (!first_new_) first_new_ = id;
    return "new " + std::to_string(id - *first_new_);
  }
  std::optional<std::uint32_t> first_new_;

  RoutePlacement routes_{1};
};

TEST_F(RoutePlacementTest, TheFirstArePlainAndTheOthersHaveObjects) {
  EXPECT_EQ(words(routes_.place(route("10.5.1.0/24"))), "plain fresh");
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "object new 0 fresh");
  EXPECT_EQ(words(routes_.place(route("10.5.3.0/24"))), "object new 1 fresh");
  EXPECT_TRUE(routes_.owns(*first_new_ + 1));
}

TEST_F(RoutePlacementTest, ARouteKeepsItsForm) {
  routes_.found(route("10.5.2.0/24"), kOld2, true);
  routes_.found(route("10.5.3.0/24"), 0, false);
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24", IpAddress::v4(192, 0, 2, 8)))),
            "object 168100352");
  EXPECT_EQ(words(routes_.place(route("10.5.3.0/24", IpAddress::v4(192, 0, 2, 8)))), "plain");
}

TEST_F(RoutePlacementTest, ARemovedRouteMakesRoomAndFreesItsObject) {
  routes_.place(route("10.5.1.0/24"));
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "object new 0 fresh");
  EXPECT_EQ(words(routes_.take(route("10.5.2.0/24"))), "object new 0 unused new 0");
  EXPECT_EQ(words(routes_.take(route("10.5.1.0/24"))), "plain");
  EXPECT_EQ(words(routes_.take(route("10.5.1.0/24"))), "plain") << "gone already";
  EXPECT_FALSE(routes_.owns(*first_new_));
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "plain fresh");
}

TEST_F(RoutePlacementTest, TheDoubleOfARouteTakesNothingAlong) {
  routes_.found(route("10.5.2.0/24"), kOld2, true);
  routes_.found(route("10.5.2.0/24", IpAddress::v4(192, 0, 2, 8)), 0, false);
  EXPECT_EQ(words(routes_.take(route("10.5.2.0/24", IpAddress::v4(192, 0, 2, 8)))), "plain");
  EXPECT_TRUE(routes_.owns(kOld2));
}

TEST_F(RoutePlacementTest, WithoutAGatewayThereIsNoObject) {
  routes_.place(route("10.5.1.0/24"));
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24", IpAddress{}))), "plain fresh");
  routes_.found(route("10.5.3.0/24"), kOld3, true);
  EXPECT_EQ(words(routes_.place(route("10.5.3.0/24", IpAddress{}))), "plain unused 168100608");
  EXPECT_FALSE(routes_.owns(kOld3));
}

TEST_F(RoutePlacementTest, NoNewObjectHasTheIdOfAnExistingOne) {
  routes_.place(route("10.5.1.0/24"));
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "object new 0 fresh");
  routes_.keep_clear_of(*first_new_ + 1);
  EXPECT_EQ(words(routes_.place(route("10.5.3.0/24"))), "object new 2 fresh");
  RoutePlacement after_a_read{0};
  after_a_read.found(route("10.5.2.0/24"), *first_new_, true);
  EXPECT_EQ(words(after_a_read.place(route("10.5.2.0/25"))).find("object new 0"),
            std::string::npos);
}

TEST_F(RoutePlacementTest, RoutesOfIpv6ArePlainAndNotCounted) {
  for (const char* to : {"fd00:5:1::/64", "fd00:5:2::/64"})
    EXPECT_EQ(words(routes_.place(route(to, IpAddress::parse_v6("fd00::1").value()))),
              "plain fresh");
  EXPECT_EQ(words(routes_.place(route("10.5.1.0/24"))), "plain fresh");
  EXPECT_EQ(words(routes_.take(route("fd00:5:1::/64", IpAddress::parse_v6("fd00::1").value()))),
            "plain");
  EXPECT_EQ(words(routes_.place(route("10.5.2.0/24"))), "object new 0 fresh");
}

TEST_F(RoutePlacementTest, AnObjectOfOthersIsLeftToThem) {
  routes_.found(route("10.5.2.0/24"), 7, false);
  EXPECT_FALSE(routes_.owns(7));
  EXPECT_EQ(words(routes_.take(route("10.5.2.0/24"))), "object 7");
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
