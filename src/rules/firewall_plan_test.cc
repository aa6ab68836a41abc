// SPDX-License-Identifier: Apache-2.0
#include "rules/firewall_plan.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

namespace flannel::firewall_plan_test {
namespace {

const IpPrefix kNetwork = IpPrefix::parse_v4("10.5.0.0/16").value();
const IpPrefix kSubnet = IpPrefix::parse_v4("10.5.1.0/24").value();

FirewallWish wish_for(FirewallMode mode) {
  return {.mode = mode,
          .rules = plan_rules(kNetwork, kSubnet, {.masquerade = true}),
          .subnet = kSubnet,
          .docker = OverlayIngress{}};
}

Result<void> refused() {
  return fail(ErrorKind::system, "refused");
}

// What the host answers; each list from its front, and then as its comment says.
struct Answers {
  std::deque<Result<bool>> unchanged = {};  // true
  std::deque<Result<void>> written = {};    // it worked
  std::deque<Result<void>> changed = {};    // it worked
  Result<IptablesPlaces> places = IptablesPlaces{};
  Result<IptablesRules> read = IptablesRules{.name = "iptables-nft"};
};

template <typename T>
T take(std::deque<T>& from, T otherwise) {
  if (from.empty()) return otherwise;
  T first = std::move(from.front());
  from.pop_front();
  return first;
}

std::string take_step(FirewallView& view, const FirewallWish& wish, FirewallAct act,
                      Answers& answers) {
  switch (act) {
    case FirewallAct::check_table:
      on_table_checked(view, wish, take(answers.unchanged, Result<bool>(true)));
      return "check ";
    case FirewallAct::write_table: {
      const bool random = wanted_rules(view, wish).fully_random;
      on_table_written(view, wish, take(answers.written, Result<void>()));
      return random ? "write " : "write-plain ";
    }
    case FirewallAct::find_places:
      on_places_found(view, answers.places);
      return "places ";
    case FirewallAct::read_iptables:
      on_iptables_read(view, wish, answers.read);
      return "read ";
    case FirewallAct::change_iptables: {
      const bool random = wanted_rules(view, wish).fully_random;
      on_iptables_changed(view, wish, take(answers.changed, Result<void>()));
      return random ? "change " : "change-plain ";
    }
    case FirewallAct::remove_table:
      on_table_removed(view);
      return "remove ";
    case FirewallAct::clear_others:
      on_others_cleared(view, wish);
      return "clear ";
    case FirewallAct::end:
      break;
  }
  return {};
}

// The steps of one pass; what failed is its last word.
std::string pass(FirewallView& view, const FirewallWish& wish, Answers answers = {}) {
  std::string steps;
  begin_pass(view, 1);
  for (;;) {
    const FirewallStep step = next_step(view, wish);
    if (step.act == FirewallAct::end) break;
    steps += take_step(view, wish, step.act, answers);
  }
  return steps + (view.failure ? view.failure->text : "ok");
}

struct Case {
  const char* name;
  FirewallMode mode;
  Answers answers;
  std::string first;   // the first pass with these answers
  std::string second;  // a pass after it, where everything is well
};

Answers without_nftables() {
  return {.written = {refused(), refused()}};
}

const auto kNft = Result<IptablesPlaces>(IptablesPlaces{.nft = true});
const auto kNotInstalled = Result<IptablesRules>(fail(ErrorKind::not_found, "not installed"));
const auto kSilent = Result<IptablesRules>(fail(ErrorKind::system, "no answer"));
// What drops, so that accepts are needed there.
const auto kDropping = Result<IptablesRules>(
    IptablesRules{.name = "iptables-nft", .saved = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"});

class FirewallPlanTest : public ::testing::TestWithParam<Case> {};

TEST_P(FirewallPlanTest, TakesTheseSteps) {
  FirewallView view;
  const FirewallWish wish = wish_for(GetParam().mode);
  EXPECT_EQ(pass(view, wish, GetParam().answers), GetParam().first);
  EXPECT_EQ(pass(view, wish), GetParam().second);
}

constexpr auto kAuto = FirewallMode::automatic;
INSTANTIATE_TEST_SUITE_P(
    Passes, FirewallPlanTest,
    ::testing::Values(
        Case{"NftablesAlone", kAuto, {}, "write places clear ok", "check places clear ok"},
        Case{"IptablesThatDropsNothing",
             kAuto,
             {.places = kNft},
             "write places read clear ok",
             "check places clear ok"},
        Case{"IptablesThatDrops",
             kAuto,
             {.places = kNft, .read = kDropping},
             "write places read change clear ok",
             "check places clear ok"},
        Case{"IptablesWhoseProgramsAreNotInstalled",
             kAuto,
             {.places = kNft, .read = kNotInstalled},
             "write places read clear ok",
             "check places clear ok"},
        Case{"IptablesThatDoesNotAnswer",
             kAuto,
             {.places = kNft, .read = kSilent},
             "write places read no answer",
             "check places clear ok"},
        Case{"AccessToTheListOfTablesDenied",
             kAuto,
             {.places = fail(ErrorKind::system, "denied")},
             "write places denied",
             "check places clear ok"},
        Case{"NftablesWithoutRandomPorts",
             kAuto,
             {.written = {refused()}},
             "write write-plain places clear ok",
             "check places clear ok"},
        Case{"NoNftables", kAuto, without_nftables(),
             "write write-plain read change remove clear ok", "read change clear ok"},
        Case{"NeitherNftablesNorIptables",
             kAuto,
             {.written = {refused(), refused()}, .read = kNotInstalled},
             "write write-plain read not installed; refused",
             "write places clear ok"},
        Case{"NftablesAskedForAndRefused", FirewallMode::nftables, without_nftables(),
             "write write-plain refused", "write places clear ok"},
        Case{"IptablesAskedFor",
             FirewallMode::iptables,
             {},
             "read change remove clear ok",
             "read change clear ok"},
        Case{"IptablesWithoutRandomPorts",
             FirewallMode::iptables,
             {.changed = {refused()}},
             "read change change-plain remove clear ok",
             "read change-plain clear ok"},
        Case{"IptablesThatRefusesEverything",
             FirewallMode::iptables,
             {.changed = {refused(), refused()}},
             "read change change-plain refused",
             "read change remove clear ok"}),
    [](const auto& test) { return test.param.name; });

class FirewallViewTest : public ::testing::Test {
 protected:
  FirewallView view;
  FirewallWish wish = wish_for(kAuto);
};

TEST_F(FirewallViewTest, AChangedTableIsWrittenAgain) {
  pass(view, wish);
  EXPECT_EQ(pass(view, wish, {.unchanged = {false}}), "check write places clear ok");
  EXPECT_EQ(pass(view, wish, {.unchanged = {false}, .written = {refused(), refused()}}),
            "check write write-plain refused");
  EXPECT_EQ(pass(view, wish), "write places clear ok") << "it is known to be missing";
}

TEST_F(FirewallViewTest, AnotherSubnetIsWrittenWithoutAQuestion) {
  pass(view, wish);
  wish.subnet = IpPrefix::parse_v4("10.5.9.0/24").value();
  wish.rules = plan_rules(kNetwork, wish.subnet, {.masquerade = true});
  EXPECT_FALSE(is_done(view, wish));
  EXPECT_EQ(pass(view, wish), "write places clear ok");
}

TEST_F(FirewallViewTest, WhatWasRefusedOnceForAnotherReasonIsAskedForAgain) {
  pass(view, wish, without_nftables());
  EXPECT_EQ(view.host.random_ports, RandomPorts::wanted);
  EXPECT_TRUE(wanted_rules(view, wish).fully_random);
}

TEST_F(FirewallViewTest, MasqueradingIsInForceWithTheTableAndNotBefore) {
  pass(view, wish, {.places = fail(ErrorKind::system, "denied")});
  EXPECT_EQ(view.in_force, wish.rules) << "accepts are missing, at most";
  EXPECT_FALSE(is_done(view, wish));
  FirewallView iptables;
  const FirewallWish by_iptables = wish_for(FirewallMode::iptables);
  pass(iptables, by_iptables, {.changed = {refused(), refused()}});
  EXPECT_FALSE(iptables.in_force);
  pass(iptables, by_iptables);
  EXPECT_EQ(iptables.in_force, wish.rules);
}

TEST_F(FirewallViewTest, TablesWithoutProgramsAreNamedOnceUntilTheyChange) {
  pass(view, wish, {.places = kNft, .read = kNotInstalled});
  EXPECT_EQ(view.host.unusable, *kNft);
  pass(view, wish);
  EXPECT_FALSE(view.host.unusable);
}

// As after a change of the configuration, by which the network lost this family.
TEST_F(FirewallViewTest, RulesThatAreNotWantedGoFromBothKinds) {
  const FirewallWish nothing{.rules = {.network = kNetwork}, .subnet = kNetwork};
  const auto chains = Result<IptablesRules>(
      IptablesRules{.name = "iptables-nft",
                    .saved = "*filter\n:FORWARD DROP [0:0]\n:FLANNEL-FWD - [0:0]\n"
                             "-A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n"
                             "-A FLANNEL-FWD -s 10.5.0.0/16 -j ACCEPT\nCOMMIT\n"});
  EXPECT_EQ(pass(view, nothing, {.places = kNft, .read = chains}),
            "write-plain places read change-plain clear ok");
  EXPECT_TRUE(is_done(view, nothing));
  FirewallView iptables;
  Answers old_kernel = without_nftables();
  old_kernel.read = chains;
  EXPECT_EQ(pass(iptables, nothing, old_kernel), "write-plain read change-plain remove clear ok");
  FirewallView neither;
  EXPECT_EQ(pass(neither, nothing, {.written = {refused()}, .read = kNotInstalled}),
            "write-plain read clear ok")
      << "nothing can be there";
}

TEST_F(FirewallViewTest, LegacyRulesAreReadPeriodicallyWithoutNotifications) {
  EXPECT_TRUE(may_have_changed(view, wish, 1)) << "nothing was done yet";
  pass(view, wish);
  EXPECT_FALSE(may_have_changed(view, wish, 1));
  EXPECT_TRUE(may_have_changed(view, wish, 2)) << "Docker may have begun to use it";
  EXPECT_FALSE(may_have_changed(view, wish, std::nullopt)) << "it is not used";
  pass(view, wish,
       {.places = IptablesPlaces{.legacy = true}, .read = IptablesRules{"x", true, ""}});
  EXPECT_TRUE(may_have_changed(view, wish, std::nullopt));
  pass(view, wish, {.places = fail(ErrorKind::system, "denied")});
  EXPECT_TRUE(may_have_changed(view, wish, 1)) << "after a failure";
  FirewallView iptables;
  const FirewallWish by_iptables = wish_for(FirewallMode::iptables);
  pass(iptables, by_iptables);
  EXPECT_FALSE(may_have_changed(iptables, by_iptables, 2)) << "iptables-nft is notified of";
}

TEST(FirewallConcernsTest, ChainsThatLeadToUsOrDecideWhetherWeAreNeeded) {
  for (const char* chain : {"FORWARD", "DOCKER-USER", "DOCKER-FORWARD", "FLANNEL-FWD", ""})
    EXPECT_TRUE(concerns_us("filter", chain, kNetwork)) << chain;
  EXPECT_TRUE(concerns_us("nat", "POSTROUTING", kNetwork));
  EXPECT_TRUE(concerns_us("raw", "PREROUTING", kNetwork));
  EXPECT_TRUE(concerns_us("flannel-10.5.0.0-16", "postrouting", kNetwork));
  EXPECT_FALSE(concerns_us("flannel-10.9.0.0-16", "postrouting", kNetwork));
  const auto network6 = IpPrefix::parse("fd00:12::/56").value();
  EXPECT_TRUE(concerns_us("flannel-fd00_12__-56", "postrouting", network6));
  EXPECT_FALSE(concerns_us("flannel-10.5.0.0-16", "postrouting", network6));
  EXPECT_FALSE(concerns_us("flannel-10.5.0.0-16", "postrouting", std::nullopt));
  for (const char* chain : {"INPUT", "KUBE-FORWARD", "DOCKER"})
    EXPECT_FALSE(concerns_us("filter", chain, kNetwork)) << chain;
}

}  // namespace
}  // namespace flannel::firewall_plan_test
