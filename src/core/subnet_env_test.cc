// SPDX-License-Identifier: Apache-2.0
#include "core/subnet_env.h"

#include <gtest/gtest.h>

namespace flannel::subnet_env_test {
namespace {

IpPrefix net(const char* text) {
  return IpPrefix::parse_v4(text).value();
}

std::string subnet_in(std::string_view text) {
  const auto subnet = decode_previous_subnet(text);
  return subnet ? to_string(*subnet) : "none";
}

TEST(SubnetEnvTest, IsWrittenInUpstreamsOrder) {
  SubnetEnv env;
  env.network = net("10.5.0.0/16");
  env.subnet = net("10.5.52.0/24");
  env.mtu = 1450;
  env.ip_masq = true;
  EXPECT_EQ(encode_subnet_env(env),
            "FLANNEL_NETWORK=10.5.0.0/16\n"
            "FLANNEL_SUBNET=10.5.52.1/24\n"
            "FLANNEL_MTU=1450\n"
            "FLANNEL_IPMASQ=true\n");
  env.network6 = IpPrefix::parse_v6("fd00:10::/56").value();
  env.subnet6 = IpPrefix::parse_v6("fd00:10:0:1::/64").value();
  env.ip_masq = false;
  EXPECT_EQ(encode_subnet_env(env),
            "FLANNEL_NETWORK=10.5.0.0/16\n"
            "FLANNEL_SUBNET=10.5.52.1/24\n"
            "FLANNEL_IPV6_NETWORK=fd00:10::/56\n"
            "FLANNEL_IPV6_SUBNET=fd00:10:0:1::1/64\n"
            "FLANNEL_MTU=1450\n"
            "FLANNEL_IPMASQ=false\n");
}

TEST(SubnetEnvTest, WhatIsWrittenIsReadBack) {
  SubnetEnv env;
  env.network = net("10.5.0.0/16");
  env.subnet = net("10.5.52.0/24");
  EXPECT_EQ(decode_previous_subnet(encode_subnet_env(env)), SubnetKey::of(*env.subnet));
  env.subnet6 = IpPrefix::parse_v6("fd00:10:0:1::/64").value();
  EXPECT_EQ(decode_previous_subnet(encode_subnet_env(env)), (SubnetKey{env.subnet, env.subnet6}));
  env.subnet.reset();
  EXPECT_EQ(decode_previous_subnet(encode_subnet_env(env)), SubnetKey::of(*env.subnet6));
}

TEST(SubnetEnvTest, TheNetworksOfAnEarlierRunAreRead) {
  using Networks = std::vector<IpPrefix>;
  SubnetEnv env;
  env.network6 = IpPrefix::parse_v6("fd00:10::/56").value();
  EXPECT_EQ(decode_previous_networks(encode_subnet_env(env)), Networks{*env.network6});
  env.network = net("10.5.0.0/16");
  EXPECT_EQ(decode_previous_networks(encode_subnet_env(env)),
            (Networks{*env.network, *env.network6}));
  EXPECT_EQ(decode_previous_networks("FLANNEL_NETWORK=fd00::/56\nFLANNEL_IPV6_NETWORK=x\n"),
            Networks{})
      << "of the other family, and none";
}

TEST(SubnetEnvTest, EveryDotenvSpellingIsRead) {
  for (const char* text :
       {"FLANNEL_SUBNET=10.5.52.1/24", "FLANNEL_SUBNET=10.5.52.1/24\r\n",
        "# note\n\n  export FLANNEL_SUBNET = \"10.5.52.1/24\"  # why\n",
        "export\tFLANNEL_SUBNET='10.5.52.1/24'", "FLANNEL_SUBNET: 10.5.52.1/24",
        "FLANNEL_SUBNET=10.5.52.1/24 # 10.5.53.1/24", "FLANNEL_SUBNET=10.5.52.0/24,",
        "FLANNEL_SUBNET=10.5.99.1/24\nFLANNEL_SUBNET=10.5.52.1/24"}) {
    EXPECT_EQ(subnet_in(text), "10.5.52.0/24") << text;
  }
}

TEST(SubnetEnvTest, InvalidValuesAreLeftOut) {
  for (const char* text :
       {"", "FLANNEL_SUBNET", "FLANNEL_SUBNET=", "FLANNEL_SUBNET=fd00::1/64",
        "FLANNEL_SUBNET=10.5.52.1", "FLANNEL_SUBNET=10.5.52.1/33", "#FLANNEL_SUBNET=10.5.52.1/24",
        "XFLANNEL_SUBNET=10.5.52.1/24", "FLANNEL_SUBNET=10.5.52.1/24,10.5.53.1/24",
        "FLANNEL_SUBNET=\"10.5.52.1/24", "=10.5.52.1/24", "export", "::::", "\"", "#"}) {
    EXPECT_EQ(subnet_in(text), "none") << text;
  }
}

TEST(SubnetEnvTest, OneBadItemDoesNotSpoilTheOthers) {
  EXPECT_EQ(subnet_in("FLANNEL_SUBNET=fd00::1/64,10.5.52.1/24,nonsense"), "10.5.52.0/24");
  EXPECT_EQ(subnet_in("FLANNEL_NETWORK=garbage\nline\nFLANNEL_SUBNET=10.5.52.1/24\n"),
            "10.5.52.0/24");
}

}  // namespace
}  // namespace flannel::subnet_env_test
