// SPDX-License-Identifier: Apache-2.0
#include "core/network_name.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flannel::network_name_test {
namespace {

TEST(NetworkName, HasLettersDigitsAndSomeSigns) {
  for (const std::string& name :
       std::vector<std::string>{"blue", "a", "7", "Blue-2_b.c", std::string(32, 'x')}) {
    EXPECT_TRUE(check_network_name(name)) << name;
  }
}

TEST(NetworkName, IsRefusedIfItCouldBeAnotherKeyOrPath) {
  for (const std::string& name :
       std::vector<std::string>{"", ".", "..", "-a", "a/b", "a b", "config", "subnets",
                                "blue-health", "bl\xc3\xbc", "*", std::string(33, 'x')}) {
    EXPECT_FALSE(check_network_name(name)) << name;
  }
}

TEST(NetworkName, IsTheLastPartOfThePrefix) {
  EXPECT_EQ(prefix_of_network("/coreos.com/network", "blue"), "/coreos.com/network/blue");
  EXPECT_EQ(prefix_of_network("/coreos.com/network/", "blue"), "/coreos.com/network/blue");
  EXPECT_EQ(prefix_of_network("/coreos.com/network", ""), "/coreos.com/network");
  EXPECT_EQ(prefix_without_network("/coreos.com/network/blue", "blue"), "/coreos.com/network");
  EXPECT_EQ(prefix_without_network("/blue", "blue"), "/");
  EXPECT_EQ(prefix_without_network("/coreos.com/network", ""), "/coreos.com/network");
}

}  // namespace
}  // namespace flannel::network_name_test
