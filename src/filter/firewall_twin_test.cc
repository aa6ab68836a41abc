// SPDX-License-Identifier: Apache-2.0
// Firewall over the twin of a host's packet filter: what it does when, and in which order. What the
// rules do in a real kernel is asked by firewall_test.cc and rules_in_kernel_test.cc.
#include <gtest/gtest.h>

#include "filter/firewall.h"
#include "support/fake_packet_filter.h"
#include "support/manual_loop.h"

namespace flannel::firewall_twin_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr RuleOptions kAll{.masquerade = true};
const std::string kTable = "ip flannel-10.5.0.0-16";

class FirewallTwinTest : public ::testing::Test {
 protected:
  void make(const FirewallOptions& options, bool notifies = true) {
    firewall.reset();  // before the next one listens to changes
    firewall.emplace(options,
                     Firewall::Parts{.filter = std::make_unique<FakePacketFilter>(host, loop),
                                     .changes = std::make_unique<FakeRuleChanges>(host, notifies),
                                     .loop = loop,
                                     .on_state = [this] { ++states; }});
  }
  void want(const char* subnet = "10.5.1.0/24") {
    config.v4.emplace().network = IpPrefix::parse_v4("10.5.0.0/16").value();
    firewall->want(config, IpPrefix::parse_v4(subnet).value());
  }
  // Until nothing is due within the burst that one look serves.
  void rest() { loop.advance(milliseconds(100)); }
  void start(const FirewallOptions& options, bool notifies = true) {
    make(options, notifies);
    want();
    rest();
    host.calls.clear();
  }

  FakeFilterHost host;
  ManualLoop loop;
  NetworkConfig config;
  std::optional<Firewall> firewall;
  int states = 0;
};

TEST_F(FirewallTwinTest, NftablesOnAHostWithoutIptablesRunsNoProgram) {
  make({.rules = kAll});
  want();
  EXPECT_TRUE(firewall->in_place());
  rest();
  EXPECT_EQ(host.take_calls(), "write_table\ncheck_table\n") << "the own change is notified, too";
  loop.advance(seconds(60));
  EXPECT_EQ(host.calls, "") << "no timer looks where the kernel reports changes";
}

TEST_F(FirewallTwinTest, NothingIsTouchedWhereNothingIsAskedFor) {
  start({.rules = {.forward = false}, .docker = false});
  loop.advance(seconds(60));
  EXPECT_TRUE(firewall->in_place());
  EXPECT_EQ(states, 0);
  EXPECT_TRUE(host.nft.empty());
  EXPECT_FALSE(host.iptables_nft.has_tables() || host.iptables_legacy.has_tables());
}

TEST_F(FirewallTwinTest, OnAKernelThatReportsNoChangesATimerLooks) {
  start({.rules = kAll}, false);
  loop.advance(seconds(5));
  EXPECT_EQ(host.take_calls(), "check_table\n");
  host.nft.clear();
  loop.advance(seconds(5));
  EXPECT_EQ(host.nft.count(kTable), 1U);
}

TEST_F(FirewallTwinTest, IptablesIsInForceWhenItsProgramHasEnded) {
  make({.mode = FirewallMode::iptables, .rules = kAll});
  want();
  EXPECT_FALSE(firewall->in_place());
  rest();
  EXPECT_TRUE(firewall->in_place());
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-POSTRTG"), 6);
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-FWD"), 2);
  EXPECT_EQ(host.take_calls(),
            "read iptables-nft\nchange iptables-nft\nremove_table\nread iptables-nft\n");
}

TEST_F(FirewallTwinTest, WhatTheOtherKindHadGoesOnceOursStands) {
  start({.mode = FirewallMode::iptables, .rules = kAll});
  make({.rules = kAll});
  want();
  EXPECT_EQ(host.nft.count(kTable), 1U);
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-POSTRTG"), 6) << "masquerades until now";
  rest();
  EXPECT_EQ(host.iptables_nft.count("FLANNEL"), 0);
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(host.nft.count(kTable), 0U);
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-POSTRTG"), 6);
}

TEST_F(FirewallTwinTest, TheIptablesThatIsNotUsedIsFreedOfUs) {
  host.run(host.iptables_legacy, "nat",
           "-N FLANNEL-POSTRTG\n-A POSTROUTING -m comment --comment \"flanneld masq\" -j "
           "FLANNEL-POSTRTG\n-A FLANNEL-POSTRTG -s 10.5.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE");
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(host.iptables_legacy.count("FLANNEL"), 0);
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-POSTRTG"), 6);
}

TEST_F(FirewallTwinTest, DeletedRulesComeBackWithinABurst) {
  start({.mode = FirewallMode::iptables, .rules = kAll});
  host.run(host.iptables_nft, "nat", "-F FLANNEL-POSTRTG");
  host.notify("nat", "FLANNEL-POSTRTG");
  host.notify("filter", "FORWARD");
  loop.advance(milliseconds(19));
  EXPECT_EQ(host.calls, "") << "more changes may follow";
  loop.advance(milliseconds(1));
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-POSTRTG"), 6);
  EXPECT_EQ(host.take_calls(), "read iptables-nft\nchange iptables-nft\n");
}

TEST_F(FirewallTwinTest, AForeignChangeCausesNoReading) {
  start({.rules = kAll});
  host.notify("filter", "KUBE-FORWARD");
  host.notify("flannel-10.9.0.0-16", "postrouting");
  loop.advance(seconds(60));
  EXPECT_EQ(host.calls, "");
}

TEST_F(FirewallTwinTest, AgainstAProgramThatUndoesItTheRulesComeBackTenTimesAPeriod) {
  start({.rules = kAll});
  for (int round = 0; round < 100; ++round) {
    host.nft.erase(kTable);
    host.notify("flannel-10.5.0.0-16", "");
    loop.advance(milliseconds(20));
  }
  const auto written = [&] {
    int times = 0;
    const std::string calls = host.take_calls();
    for (auto at = calls.find("write_table"); at != std::string::npos;
         at = calls.find("write_table", at + 1))
      ++times;
    return times;
  };
  EXPECT_EQ(written(), FirewallPacer::kMaxMends);
  loop.advance(seconds(5));
  EXPECT_EQ(written(), 1);
  EXPECT_EQ(host.nft.count(kTable), 1U);
}

TEST_F(FirewallTwinTest, AnIptablesThatBeginsToDropGetsTheAcceptsAndNothingElse) {
  start({.rules = kAll});
  host.run(host.iptables_nft, "filter", "-P FORWARD DROP");
  host.notify("filter", "FORWARD");
  rest();
  EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-FWD"), 2);
  EXPECT_EQ(host.iptables_nft.count("FLANNEL-POSTRTG"), 0);
}

TEST_F(FirewallTwinTest, IptablesLegacyThatBeginsToDropIsSeenAtTheNextCheck) {
  start({.rules = kAll});
  host.run(host.iptables_legacy, "filter", "-P FORWARD DROP");
  loop.advance(seconds(4));
  EXPECT_EQ(host.calls, "");
  loop.advance(seconds(1));
  rest();
  EXPECT_EQ(host.iptables_legacy.count("-A FLANNEL-FWD"), 2);
  host.calls.clear();
  host.run(host.iptables_legacy, "filter", "-F FLANNEL-FWD");
  loop.advance(seconds(6));
  EXPECT_EQ(host.iptables_legacy.count("-A FLANNEL-FWD"), 2);
}

TEST_F(FirewallTwinTest, AnotherSubnetDuringALookHasALookOfItsOwn) {
  make({.mode = FirewallMode::iptables, .rules = kAll});
  want("10.5.1.0/24");
  want("10.5.9.0/24");
  EXPECT_EQ(states, 0);
  loop.run_until_idle();
  EXPECT_EQ(states, 1) << "the look for the first subnet says nothing";
  EXPECT_EQ(host.iptables_nft.count("10.5.1.0/24"), 0);
  EXPECT_EQ(host.iptables_nft.count("10.5.9.0/24"), 3);
  EXPECT_TRUE(firewall->in_place());
}

TEST_F(FirewallTwinTest, HowTheOverlayComesInIsFollowedInDockersTables) {
  host.run(host.iptables_nft, "filter", "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER");
  start({.rules = kAll});
  firewall->admit({.devices = {"flannel.1"}});
  rest();
  EXPECT_EQ(host.iptables_nft.count("-i flannel.1"), 1);
  firewall->admit({.devices = {"flannel0"}});
  rest();
  EXPECT_EQ(host.iptables_nft.count("-i flannel.1"), 0);
  EXPECT_EQ(host.iptables_nft.count("-i flannel0"), 1);
}

TEST_F(FirewallTwinTest, ARefusalForAnyOtherReasonCostsNoRandomPorts) {
  host.iptables_refuses = [](const std::string& input) { return !input.empty(); };
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(firewall->trouble(), "refused");
  EXPECT_FALSE(firewall->in_place());
  host.iptables_refuses = [](const std::string&) { return false; };
  loop.advance(seconds(5));
  EXPECT_EQ(firewall->trouble(), "");
  EXPECT_EQ(host.iptables_nft.count("-j MASQUERADE --random-fully"), 2);
}

TEST_F(FirewallTwinTest, RandomPortsThatAreRefusedAreNotAskedForAgain) {
  host.iptables_refuses = [](const std::string& input) {
    return input.find("random") != std::string::npos;
  };
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(host.iptables_nft.count("-j MASQUERADE"), 2);
  want("10.5.9.0/24");
  rest();
  EXPECT_TRUE(firewall->in_place());
  EXPECT_EQ(host.take_calls(),
            "read iptables-nft\nchange iptables-nft\nremove_table\n"
            "read iptables-nft\n");
}

TEST_F(FirewallTwinTest, AnIptablesThatDoesNotAnswerIsTroubleAndAskedAgain) {
  for (const auto mode : {FirewallMode::nftables, FirewallMode::iptables}) {
    host = {};
    host.run(host.iptables_nft, "filter", "-P FORWARD DROP");
    host.iptables_refuses = [](const std::string&) { return true; };
    start({.mode = mode, .rules = kAll});
    EXPECT_EQ(firewall->trouble(), "iptables-nft refused");
    EXPECT_EQ(firewall->in_place(), mode == FirewallMode::nftables);
    host.iptables_refuses = [](const std::string&) { return false; };
    loop.advance(seconds(5));
    EXPECT_EQ(firewall->trouble(), "");
    EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-FWD"), 2);
  }
}

TEST_F(FirewallTwinTest, WithoutNftablesAndIptablesTheTroubleNamesBoth) {
  host.nft_refuses = [](const std::string&) { return true; };
  host.is_installed = false;
  start({.rules = kAll});
  EXPECT_EQ(firewall->trouble(), "iptables is not installed; nft refused");
  host.is_installed = true;
  loop.advance(seconds(5));
  EXPECT_EQ(firewall->trouble(), "");
  EXPECT_EQ(host.iptables_nft.count("-j MASQUERADE --random-fully"), 2);
}

}  // namespace
}  // namespace flannel::firewall_twin_test
