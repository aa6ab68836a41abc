// SPDX-License-Identifier: Apache-2.0
#include "registry/store_keys.h"

#include <gtest/gtest.h>

namespace flannel::store_keys_test {
namespace {

TEST(StoreKeysTest, PathsAreCleanedAsGoDoes) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"/", "/"},
      {"a", "a"},
      {"/a/b", "/a/b"},
      {"//a///b//", "/a/b"},
      {"a/./b", "a/b"},
      {"/a/../b", "/b"},
      {"/../a", "/a"},
      {"../a", "../a"},
      {"../../a", "../../a"},
      {"a/..", ""},
      {"a/../../b", "../b"},
  };
  for (const auto& [given, clean] : cases)
    EXPECT_EQ(clean_path(given), clean) << given;
}

TEST(StoreKeysTest, KeysLieBelowThePrefix) {
  const StoreKeys keys("/coreos.com//network/");
  EXPECT_EQ(keys.config, "/coreos.com/network/config");
  EXPECT_EQ(keys.subnet("10.5.1.0-24"), "/coreos.com/network/subnets/10.5.1.0-24");
  EXPECT_EQ(StoreKeys("").config, "config");
  EXPECT_EQ(StoreKeys("/").subnets, "/subnets/");
  EXPECT_EQ(StoreKeys("net").subnets, "net/subnets/");
}

TEST(StoreKeysTest, ANetworkIsOneWhoseConfigurationLiesBelowItsName) {
  const StoreKeys keys("/net");
  using Words = std::vector<std::string>;
  EXPECT_EQ(keys.networks_of(Words{"/net/blue/config"}).names, Words{"blue"});
  EXPECT_EQ(StoreKeys("net").networks_of(Words{"net/blue/config"}).names, Words{"blue"});
  EXPECT_EQ(StoreKeys("").networks_of(Words{"blue/config"}).names, Words{"blue"});
  for (const char* other : {"/net/config", "/net/blue/subnets/x", "/net/blue/config/x",
                            "/net/a/b/config", "/network/blue/config", "/net/blue"})
    EXPECT_EQ(keys.networks_of(Words{other}), NetworkList()) << other;
  const Words all{"/net/a.b/config", "/net/a/config", "/net/config", "/net/subnets/config",
                  "/net/a b/config"};
  EXPECT_EQ(keys.networks_of(all), (NetworkList{{"a", "a.b"}, {"a b", "subnets"}}));
}

TEST(StoreKeysTest, OnlyWhatLiesBelowSubnetsIsARecord) {
  const StoreKeys keys("/net");
  EXPECT_EQ(keys.below_subnets("/net/subnets/10.5.1.0-24"), "10.5.1.0-24");
  EXPECT_EQ(keys.below_subnets("/net/subnets/a/b"), "a/b");
  for (const char* other : {"/net/subnets", "/net/subnets-lock", "/net/config", "net/subnets/x"}) {
    EXPECT_FALSE(keys.below_subnets(other)) << other;
  }
}

}  // namespace
}  // namespace flannel::store_keys_test
