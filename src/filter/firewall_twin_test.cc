// SPDX-License-Identifier: Apache-2.0
// Firewall over the twin of a host's packet filter: what it does when, and in which order. What the
// rules do in a real kernel is asked by firewall_test.cc and rules_in_kernel_test.cc.
#include <gtest/gtest.h>

#include "filter/firewall.h"
#include "support/fake_packet_filter.h"
#include "support/manual_loop.h"
#include "support/problems_of.h"

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
    firewall.emplace(options, Firewall::Parts{.filter =
                                                  [this](Family family) {
                                                    return std::make_unique<FakePacketFilter>(
                                                        host_of(family), loop);
                                                  },
                                              .changes =
                                                  [this, notifies](Family family) {
                                                    return std::make_unique<FakeRuleChanges>(
                                                        host_of(family), notifies);
                                                  },
                                              .loop = loop,
                                              .iptables = queue,
                                              .on_state = [this] { ++states; }});
  }
  void want(const char* subnet = "10.5.1.0/24") {
    config.v4.emplace().network = IpPrefix::parse_v4("10.5.0.0/16").value();
    firewall->want(config, {.v4 = IpPrefix::parse_v4(subnet).value(), .v6 = {}}, {});
  }
  FakeFilterHost& host_of(Family family) { return family == Family::v4 ? host : host6; }
  // Until nothing is due within the burst that one look serves.
  void rest() { loop.advance(milliseconds(100)); }
  void start(const FirewallOptions& options, bool notifies = true) {
    make(options, notifies);
    want();
    rest();
    host.calls.clear();
  }

  FakeFilterHost host;
  FakeFilterHost host6{.family = Family::v6};
  ManualLoop loop;
  NetworkConfig config;
  IptablesQueue queue;
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
  firewall->admit({.devices = {{"flannel.1", Family::v4}, {"flannel-v6.1", Family::v6}}});
  rest();
  EXPECT_EQ(host.iptables_nft.count("-i flannel.1"), 1);
  EXPECT_EQ(host.iptables_nft.count("-i flannel-v6.1"), 0) << "it brings no packets of IPv4";
  firewall->admit({.devices = {{"flannel0", Family::v4}}});
  rest();
  EXPECT_EQ(host.iptables_nft.count("-i flannel.1"), 0);
  EXPECT_EQ(host.iptables_nft.count("-i flannel0"), 1);
}

TEST_F(FirewallTwinTest, RulesComeAndGoWithTheOptions) {
  for (const auto mode : {FirewallMode::nftables, FirewallMode::iptables}) {
    const auto masquerades = [this] {
      const auto table = host.nft.find(kTable);
      return host.iptables_nft.count("MASQUERADE") > 0 ||
             (table != host.nft.end() && table->second.find("masquerade") != std::string::npos);
    };
    host = {};
    start({.mode = mode, .rules = {.forward = false}, .docker = false});
    firewall->set_rules(kAll);
    rest();
    EXPECT_TRUE(masquerades() && firewall->in_place());
    firewall->set_rules({.masquerade = false});
    EXPECT_TRUE(firewall->in_place());
    rest();
    EXPECT_FALSE(masquerades());
    firewall->set_rules({.masquerade = false, .forward = false});
    rest();
    EXPECT_EQ(host.nft[kTable].find("accept"), std::string::npos) << host.nft[kTable];
    EXPECT_EQ(host.iptables_nft.count("FLANNEL"), 0);
  }
}

TEST_F(FirewallTwinTest, ARefusalForAnyOtherReasonCostsNoRandomPorts) {
  host.iptables_refuses = [](const std::string& input) { return !input.empty(); };
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(problems_of(*firewall), "rules-not-kept: refused");
  EXPECT_FALSE(firewall->in_place());
  host.iptables_refuses = [](const std::string&) { return false; };
  loop.advance(seconds(5));
  EXPECT_EQ(problems_of(*firewall), "");
  EXPECT_EQ(host.iptables_nft.count("-j MASQUERADE --random-fully"), 2);
}

TEST_F(FirewallTwinTest, RandomPortsThatAreRefusedAreNotAskedForAgain) {
  host.iptables_refuses = [](const std::string& input) {
    return input.find("random") != std::string::npos;
  };
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(host.iptables_nft.count("-j MASQUERADE"), 2);
  EXPECT_EQ(problems_of(*firewall), "random-ports-refused: refused");
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
    EXPECT_EQ(problems_of(*firewall), "rules-not-kept: iptables-nft refused");
    EXPECT_EQ(firewall->in_place(), mode == FirewallMode::nftables);
    host.iptables_refuses = [](const std::string&) { return false; };
    loop.advance(seconds(5));
    EXPECT_EQ(problems_of(*firewall), "");
    EXPECT_EQ(host.iptables_nft.count("-A FLANNEL-FWD"), 2);
  }
}

TEST_F(FirewallTwinTest, WithoutNftablesAndIptablesTheTroubleNamesBoth) {
  host.nft_refuses = [](const std::string&) { return true; };
  host.is_installed = false;
  start({.rules = kAll});
  EXPECT_EQ(problems_of(*firewall), "rules-not-kept: iptables is not installed; nft refused");
  host.is_installed = true;
  loop.advance(seconds(5));
  EXPECT_EQ(problems_of(*firewall), "");
  EXPECT_EQ(host.iptables_nft.count("-j MASQUERADE --random-fully"), 2);
}

// Both families, and IPv6 with a part of the packet filter of its own.
class DualStackTwinTest : public FirewallTwinTest {
 protected:
  void want_both() {
    config.v6.emplace().network = kNetwork6;
    config.v4.emplace().network = IpPrefix::parse_v4("10.5.0.0/16").value();
    firewall->want(config, {.v4 = IpPrefix::parse_v4("10.5.1.0/24").value(), .v6 = as_v6(kSubnet)},
                   {});
  }

  const IpPrefix kSubnet = IpPrefix::parse_v4("10.5.1.0/24").value();
  const IpPrefix kNetwork6 = IpPrefix::parse_v6("fd00:a:5::/48").value();
  const std::string kTable6 = "ip6 flannel-fd00_a_5__-48";
};

TEST_F(DualStackTwinTest, EachFamilyHasItsTable) {
  make({.rules = kAll});
  want_both();
  EXPECT_TRUE(firewall->in_place());
  rest();
  EXPECT_EQ(host.nft.count(kTable), 1U);
  EXPECT_EQ(host6.nft.count(kTable6), 1U);
  host.calls.clear();
  host6.nft.clear();
  host6.notify(kTable6.substr(4), "");
  rest();
  EXPECT_EQ(host6.nft.count(kTable6), 1U);
  EXPECT_EQ(host.calls, "") << "IPv4 is not concerned";
}

TEST_F(DualStackTwinTest, MasqueradingIsInForceWithBoth) {
  make({.mode = FirewallMode::iptables, .rules = kAll});
  want_both();
  EXPECT_FALSE(firewall->in_place());
  rest();
  EXPECT_TRUE(firewall->in_place());
  for (const FakeFilterHost* of : {&host, &host6}) {
    EXPECT_EQ(of->iptables_nft.count("-A FLANNEL-POSTRTG"), 6);
    EXPECT_EQ(of->iptables_nft.count("-A FLANNEL-FWD"), 2);
  }
  EXPECT_EQ(host6.iptables_nft.count("! -d ff00::/8"), 1);
}

TEST_F(DualStackTwinTest, Ipv4DoesNotWaitForAKernelThatCannotMasqueradeIpv6) {
  host6.nft_refuses = [](const std::string&) { return true; };
  host6.is_installed = false;
  make({.rules = kAll});
  want_both();
  EXPECT_FALSE(firewall->in_place()) << "it is not known yet";
  rest();
  EXPECT_TRUE(firewall->in_place());
  EXPECT_EQ(problems_of(*firewall),
            "rules-not-kept: IPv6: ip6tables is not installed; nft refused");
  EXPECT_EQ(host.nft.count(kTable), 1U);
  host6.nft_refuses = [](const std::string&) { return false; };
  loop.advance(seconds(5));
  EXPECT_EQ(problems_of(*firewall), "");
  EXPECT_EQ(host6.nft.count(kTable6), 1U);
}

TEST_F(DualStackTwinTest, Ipv6DoesNotReplaceIpv4) {
  host.nft_refuses = [](const std::string&) { return true; };
  host.is_installed = false;
  make({.rules = kAll});
  want_both();
  rest();
  EXPECT_FALSE(firewall->in_place());
  EXPECT_EQ(problems_of(*firewall), "rules-not-kept: iptables is not installed; nft refused");
  EXPECT_EQ(host6.nft.count(kTable6), 1U);
}

// In any packet filter, and it is done once.
TEST_F(DualStackTwinTest, TheRulesOfAFamilyThatTheNetworkLostGo) {
  for (const auto mode : {FirewallMode::nftables, FirewallMode::iptables}) {
    make({.mode = mode, .rules = kAll});
    want_both();
    rest();
    EXPECT_EQ(host6.nft.size() + host6.iptables_nft.has_tables(), 1U);
    for (const auto next : {FirewallMode::automatic, FirewallMode::iptables}) {
      make({.mode = next, .rules = kAll});
      config.v6.reset();
      const std::vector<IpPrefix> earlier{IpPrefix::parse_v4("10.5.0.0/16").value(), kNetwork6};
      firewall->want(config, {.v4 = kSubnet, .v6 = {}}, earlier);
      rest();
      EXPECT_TRUE(firewall->in_place());
      EXPECT_EQ(host6.nft.begin()->second.find("chain"), std::string::npos);
      EXPECT_EQ(host6.iptables_nft.count("FLANNEL"), 0);
      EXPECT_EQ(host.nft.size() + host.iptables_nft.has_tables() > 0, true);
      host6.calls.clear();
      loop.advance(seconds(60));
      EXPECT_EQ(host6.calls, "");
    }
    host6 = FakeFilterHost{.family = Family::v6};
  }
}

TEST_F(DualStackTwinTest, WithoutIpv6ItsRulesAreNotEvenRead) {
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(host6.calls, "");
  EXPECT_FALSE(host6.on_change);
}

TEST_F(DualStackTwinTest, ANetworkOfIpv6AloneNeedsNoIpv4) {
  make({.rules = kAll});
  config.v6.emplace().network = kNetwork6;
  config.v4.reset();
  firewall->want(config, {.v4 = {}, .v6 = as_v6(kSubnet)}, {});
  EXPECT_TRUE(firewall->in_place());
  EXPECT_EQ(host6.nft.count(kTable6), 1U);
  EXPECT_EQ(host.calls, "");
}

}  // namespace
}  // namespace flannel::firewall_twin_test
