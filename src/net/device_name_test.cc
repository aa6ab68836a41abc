// SPDX-License-Identifier: Apache-2.0
#include "net/device_name.h"

#include <gtest/gtest.h>

namespace flannel::device_name_test {
namespace {

TEST(DeviceNameTest, HoldsWhatLinuxAllows) {
  EXPECT_EQ(DeviceName().view(), "");
  EXPECT_EQ(DeviceName("flannel.1").view(), "flannel.1");
  EXPECT_EQ(DeviceName("flannel.1234567").str(), "flannel.1234567") << "15 characters";
  EXPECT_EQ(DeviceName("flannel.1"), DeviceName(std::string("flannel.1")));
  EXPECT_NE(DeviceName("flannel.1"), DeviceName("flannel.10"));
}

TEST(DeviceNameTest, AnAssignedNameLeavesNothingOfTheFormerOne) {
  DeviceName name("flannel-v6.1");
  name = "eth0";
  EXPECT_EQ(name, DeviceName("eth0"));
}

}  // namespace
}  // namespace flannel::device_name_test
