// SPDX-License-Identifier: Apache-2.0
#include "core/pool_use.h"

#include <gtest/gtest.h>

namespace flannel::pool_use_test {
namespace {

PoolUse pool(const std::string& network, const std::string& subnet) {
  const IpPrefix prefix = IpPrefix::parse(subnet).value();
  return {.network = network,
          .subnet = prefix,
          .gateway = prefix.base.plus(1),
          .containers = 3,
          .room = 253};
}

TEST(PoolUseTest, APoolThatIsNotTheSubnetIsAProblem) {
  const std::vector<PoolUse> all = {pool("blue", "10.5.34.0/24"), pool("green", "10.6.7.0/24"),
                                    pool("blue", "fd00:5:0:22::/64")};
  const auto blue = pools_of(all, "blue");
  ASSERT_EQ(blue.size(), 2U);
  const SubnetKey own{blue[0].subnet, blue[1].subnet};
  EXPECT_TRUE(pool_problems(blue, own).empty());
  const auto problems =
      pool_problems(blue, SubnetKey{IpPrefix::parse("10.5.77.0/24").value(), std::nullopt});
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(
      in_words(problems[0]),
      "a network of Docker's has 10.5.34.0/24, which was the subnet of this host, for 3 "
      "containers; it is 10.5.77.0/24 now, so other hosts do not reach them; remedy: remove "
      "the containers and the network (docker network inspect $(docker network ls -q) shows which "
      "has 10.5.34.0/24), and create it again");
  EXPECT_NE(problems[1].text.find("it is none now"), std::string::npos);
}

}  // namespace
}  // namespace flannel::pool_use_test
