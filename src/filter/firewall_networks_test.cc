// SPDX-License-Identifier: Apache-2.0
// The rules of several networks of one process over the twin of a host's packet filter, and of one
// that the host leaves.
#include <gtest/gtest.h>

#include "filter/firewall.h"
#include "support/fake_packet_filter.h"
#include "support/manual_loop.h"

namespace flannel::firewall_networks_test {
namespace {

using std::chrono::seconds;

constexpr FirewallOptions kIptables{.mode = FirewallMode::iptables, .rules = {.masquerade = true}};

class FirewallNetworksTest : public ::testing::Test {
 protected:
  Firewall::Parts parts() {
    return {.filter =
                [this](Family family) {
                  return std::make_unique<FakePacketFilter>(host_of(family), loop);
                },
            .changes =
                [this](Family family) {
                  return std::make_unique<FakeRuleChanges>(host_of(family), false);
                },
            .loop = loop,
            .iptables = queue,
            .on_state = [] {}};
  }
  FakeFilterHost& host_of(Family family) { return family == Family::v4 ? host : host6; }
  void want(Firewall& firewall, const char* network, const char* subnet) {
    NetworkConfig config;
    config.v4.emplace().network = IpPrefix::parse_v4(network).value();
    firewall.want(config, {.v4 = IpPrefix::parse_v4(subnet).value(), .v6 = {}}, {});
  }
  void rest() { loop.advance(std::chrono::milliseconds(100)); }

  FakeFilterHost host;
  FakeFilterHost host6{.family = Family::v6};
  ManualLoop loop;
  IptablesQueue queue;
};

// Both would read chains that are not there, and each would make them anew.
TEST_F(FirewallNetworksTest, OneWritesAfterAnother) {
  Firewall blue(kIptables, parts()), green(kIptables, parts());
  want(blue, "10.5.0.0/16", "10.5.1.0/24");
  want(green, "10.6.0.0/16", "10.6.1.0/24");
  rest();
  EXPECT_TRUE(blue.in_place());
  EXPECT_TRUE(green.in_place());
  EXPECT_TRUE(host.take_calls().starts_with("read iptables-nft\nchange iptables-nft\n"));
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-POSTRTG"), 11) << "one rule is of both";
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-FWD"), 4);
}

TEST_F(FirewallNetworksTest, WhoGoesBeforeItsTurnEndsHoldsUpNobody) {
  Firewall blue(kIptables, parts());
  std::optional<Firewall> green, red;
  green.emplace(kIptables, parts());
  red.emplace(kIptables, parts());
  want(*green, "10.6.0.0/16", "10.6.1.0/24");
  want(*red, "10.7.0.0/16", "10.7.1.0/24");
  want(blue, "10.5.0.0/16", "10.5.1.0/24");
  EXPECT_EQ(host.take_calls(), "read iptables-nft\n");
  red.reset();
  green.reset();
  rest();
  EXPECT_TRUE(blue.in_place());
}

TEST_F(FirewallNetworksTest, TheRulesOfOneThatIsLeftAreRemoved) {
  for (const FirewallMode mode : {FirewallMode::iptables, FirewallMode::nftables}) {
    Firewall blue({.mode = mode, .rules = {.masquerade = true}}, parts());
    Firewall green({.mode = mode, .rules = {.masquerade = true}}, parts());
    want(blue, "10.5.0.0/16", "10.5.1.0/24");
    want(green, "10.6.0.0/16", "10.6.1.0/24");
    rest();
    EXPECT_FALSE(green.has_left());
    host.nft_refuses = host.iptables_refuses = [](const std::string&) { return true; };
    green.leave();
    rest();
    EXPECT_FALSE(green.has_left()) << "they could not be removed";
    host.nft_refuses = host.iptables_refuses = [](const std::string&) { return false; };
    loop.advance(seconds(60));
    EXPECT_TRUE(green.has_left());
    EXPECT_FALSE(blue.has_left());
    EXPECT_EQ(host.iptables_nft.count("10.6.0.0/16"), 0);
    EXPECT_EQ(host.nft["ip flannel-10.6.0.0-16"].find("chain"), std::string::npos);
    blue.leave();
    loop.advance(seconds(60));
    EXPECT_EQ(host.iptables_nft.count("FLANNEL"), 0);
    EXPECT_TRUE(blue.has_left());
  }
}

}  // namespace
}  // namespace flannel::firewall_networks_test
