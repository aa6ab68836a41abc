// SPDX-License-Identifier: Apache-2.0
#include "plan/vxlan_device.h"

#include <gtest/gtest.h>

namespace flannel::vxlan_device_test {
namespace {

constexpr std::size_t kMostCharacters = 15;  // IFNAMSIZ - 1

TEST(VxlanDevice, TheFirstNameIsThatOfUpstream) {
  EXPECT_EQ(vxlan_name(Family::v4, 7, 1), "flannel.7");
  EXPECT_EQ(vxlan_name(Family::v6, 7, 1), "flannel-v6.7");
  EXPECT_EQ(vxlan_name(Family::v4, 7, 2), "fl2.7");
  EXPECT_EQ(vxlan_name(Family::v6, 7, 9), "fl9-v6.7");
}

TEST(VxlanDevice, NoOtherNameIsLonger) {
  constexpr std::uint32_t kMost = 16777215;
  EXPECT_EQ(vxlan_name(Family::v4, kMost, kMostVxlanNumber).size(), 12U);
  EXPECT_LE(vxlan_name(Family::v6, kMost, kMostVxlanNumber).size(), kMostCharacters);
}

TEST(VxlanDevice, ANameIsOursIfItHasTheVni) {
  for (const char* ours : {"flannel.7", "flannel-v6.7", "fl2.7", "fl2-v6.7", "fl9.7"})
    EXPECT_TRUE(is_vxlan_name(ours, 7)) << ours;
  for (const char* foreign : {"flannel.8", "fl2.8", "fl1.7", "fl10.7", "fl.7", "fl2.07", "flannel7",
                              "fl2", "fl2.7x", "fl-v6.7", "vxlan.7", ""})
    EXPECT_FALSE(is_vxlan_name(foreign, 7)) << foreign;
}

}  // namespace
}  // namespace flannel::vxlan_device_test
