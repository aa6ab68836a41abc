// SPDX-License-Identifier: Apache-2.0
// An agent whose backend is ipsec: what the kernel and what charon have.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/agent_fixture.h"

namespace flannel::agent_ipsec_test {
namespace {

using std::chrono::seconds;

std::string ipsec_config(char psk = 'k') {
  return fmt::format(R"({{"Network":"10.5.0.0/16","Backend":{{"Type":"ipsec","PSK":"{}"}}}})",
                     std::string(96, psk));
}
constexpr const char* kTunnelOut =
    "xfrm policy src 10.5.1.0/24 dst 10.5.9.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.9 esp\n";
constexpr const char* kBlock = "xfrm policy src 0.0.0.0/0 dst 10.5.0.0/16 dir out action block\n";
constexpr const char* kPass = "xfrm policy src 0.0.0.0/0 dst 10.5.9.0/24 dir out action allow\n";
constexpr const char* kTunnel = "192.0.2.1 10.5.1.0/24 - 10.5.9.0/24 192.0.2.9\n";

class IpsecAgentTest : public AgentTest {
 protected:
  void later() {
    loop_.advance(Dataplanes::kLinger + seconds(1));
    loop_.run_until_idle();
  }
};

TEST_F(IpsecAgentTest, TunnelsAndPoliciesFollowThePeers) {
  put("10.5.9.0-24", peer_value("192.0.2.9", "ipsec"));
  configure(ipsec_config());
  ASSERT_EQ(ready_, 1) << fatal_;
  EXPECT_TRUE(has(kTunnelOut)) << kernel_.dump();
  EXPECT_TRUE(has(kBlock)) << kernel_.dump();
  EXPECT_EQ(keys_.tunnels(), kTunnel);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  remove("10.5.9.0-24");
  later();
  EXPECT_FALSE(has(kTunnelOut)) << kernel_.dump();
  EXPECT_TRUE(has(kBlock)) << kernel_.dump();
  EXPECT_EQ(keys_.tunnels(), "");
}

TEST_F(IpsecAgentTest, AnotherKeyGoesToTheSameExchange) {
  configure(ipsec_config());
  configure(ipsec_config('n'));
  EXPECT_EQ(keys_.opened, 1);
  EXPECT_EQ(keys_.settings.psk, std::string(96, 'n'));
}

TEST_F(IpsecAgentTest, APeerOfAnotherBackendIsLetPassUntilItAnnouncesIpsec) {
  put("10.5.9.0-24", peer_value("192.0.2.9", "host-gw"));
  configure(kHostGw);
  configure(ipsec_config());
  EXPECT_TRUE(has(kBlock)) << kernel_.dump();
  EXPECT_TRUE(has(kPass)) << kernel_.dump();
  EXPECT_EQ(keys_.tunnels(), "");
  put("10.5.9.0-24", peer_value("192.0.2.9", "ipsec"));
  EXPECT_FALSE(has(kPass)) << kernel_.dump();
  EXPECT_TRUE(has(kTunnelOut)) << kernel_.dump();
  EXPECT_EQ(keys_.tunnels(), kTunnel);
}

TEST_F(IpsecAgentTest, ABackendThatIsNotUsedAnyMoreEndsItsTunnels) {
  put("10.5.9.0-24", peer_value("192.0.2.9", "ipsec"));
  configure(ipsec_config());
  configure(kVxlan);
  EXPECT_TRUE(has(kTunnelOut)) << "the peer still announces it: " << kernel_.dump();
  EXPECT_FALSE(has(kBlock)) << kernel_.dump();
  remove("10.5.9.0-24");
  later();
  later();
  EXPECT_FALSE(has("xfrm")) << kernel_.dump();
  EXPECT_EQ(keys_.withdrawn, 1);
}

TEST_F(IpsecAgentTest, WhatIsWrongWithCharonIsAProblem) {
  configure(ipsec_config());
  keys_.problem = "charon cannot be asked for keys: nobody listens";
  keys_.on_state();
  loop_.run_until_idle();
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_EQ(problems().front().find("kernel: charon cannot be asked for keys"), 0U)
      << problems().front();
}

}  // namespace
}  // namespace flannel::agent_ipsec_test
