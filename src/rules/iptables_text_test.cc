// SPDX-License-Identifier: Apache-2.0
#include "rules/iptables_text.h"

#include <gtest/gtest.h>

#include "support/in_family.h"

namespace flannel::iptables_text_test {
namespace {

// Chain by chain what flannel upstream's own tests compare with.
const std::string kMasqueradeRules =
    R"(-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.42.1.0/24 -d 10.42.0.0/16 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.42.0.0/16 -d 10.42.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.42.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
)";
const std::string kForwardRules =
    R"(-A FLANNEL-FWD -s 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
)";
const std::string kMasqueradeJump = R"(-m comment --comment "flanneld masq" -j FLANNEL-POSTRTG)";
const std::string kForwardJump = R"(-m comment --comment "flanneld forward" -j FLANNEL-FWD)";

class IptablesTextTest : public InFamily<::testing::Test> {
 protected:
  RuleSet rules_of(const char* network, const char* subnet) const {
    return plan_rules(net(network), net(subnet), {.masquerade = true});
  }
  IptablesTable nat(const std::string& lines, bool with_chain = true) const {
    return parse_iptables(
        text("*nat\n:POSTROUTING ACCEPT [0:0]\n" +
             std::string(with_chain ? ":FLANNEL-POSTRTG - [0:0]\n" : "") + lines + "COMMIT\n"),
        "nat");
  }
  IptablesTable filter(const std::string& chains, const std::string& lines) const {
    return parse_iptables(text("*filter\n:FORWARD DROP [0:0]\n" + chains + lines + "COMMIT\n"),
                          "filter");
  }
  std::string filter_start(const std::string& chains, const std::string& lines) const {
    return filter_change(rules, filter(chains, lines), IptablesMoment::start);
  }

  const RuleSet rules = rules_of("10.42.0.0/16", "10.42.1.0/24");
};

INSTANTIATE_TEST_SUITE_P(Both, IptablesTextTest, kBothFamilies, family_name);

TEST_P(IptablesTextTest, OnAHostWithoutAnythingBothChainsAreMade) {
  EXPECT_EQ(nat_change(rules, {}, IptablesMoment::start),
            text("*nat\n:FLANNEL-POSTRTG - [0:0]\n" + kMasqueradeRules + "-A POSTROUTING " +
                 kMasqueradeJump + "\nCOMMIT\n"));
  EXPECT_EQ(filter_change(rules, {}, IptablesMoment::start),
            text("*filter\n:FLANNEL-FWD - [0:0]\n" + kForwardRules + "-A FORWARD " + kForwardJump +
                 "\nCOMMIT\n"));
}

// Lines after which `saved` has what the input of iptables-restore says of a chain that is ours.
std::string after(const std::string& saved, const std::string& change) {
  return change.empty() ? saved : change;
}

TEST_P(IptablesTextTest, NetworksThatShareTheChainOfSeparationComeToRest) {
  const std::vector all{net("10.42.0.0/16"), net("10.43.0.0/16"), net("10.44.0.0/16")};
  std::vector<RuleSet> sets;
  for (const IpPrefix& own : all) {
    std::vector<IpPrefix> strangers = all;
    std::erase(strangers, own);
    sets.push_back(plan_rules(own, own, {.forward = false}, strangers));
  }
  for (const IptablesMoment moment : {IptablesMoment::start, IptablesMoment::resync}) {
    std::string saved;
    for (int round = 0; round < 2; ++round) {
      for (const RuleSet& one : sets)
        saved = after(saved, mangle_change(one, parse_iptables(saved, "mangle"), moment));
    }
    const IptablesTable table = parse_iptables(saved, "mangle");
    EXPECT_EQ(table.in("FLANNEL-SEPARATE").size(), 6U) << saved;
    for (const RuleSet& one : sets)
      EXPECT_EQ(mangle_change(one, table, IptablesMoment::resync), "");
  }
}

TEST_P(IptablesTextTest, ANetworkThatIsNoStrangerAnyMoreIsLetThrough) {
  const std::vector strangers{net("10.43.0.0/16"), net("10.44.0.0/16")};
  const auto with = [&](std::size_t count) {
    return plan_rules(net("10.42.0.0/16"), net("10.42.1.0/24"), {.forward = false},
                      std::span(strangers).first(count));
  };
  const std::string two = mangle_change(with(2), {}, IptablesMoment::start);
  const std::string one =
      mangle_change(with(1), parse_iptables(two, "mangle"), IptablesMoment::start);
  EXPECT_EQ(parse_iptables(one, "mangle").in("FLANNEL-SEPARATE").size(), 2U) << one;
  const std::string none = mangle_handover(with(0), parse_iptables(one, "mangle"));
  EXPECT_NE(none.find("-X FLANNEL-SEPARATE"), std::string::npos) << none;
}

// As ip6tables-save prints them.
TEST(Ip6tablesTextTest, TheRulesAreThoseOfIpv4WithAnotherMulticast) {
  const RuleSet rules = plan_rules(IpPrefix::parse("fd00:10:244::/56").value(),
                                   IpPrefix::parse("fd00:10:244:1::/64").value(),
                                   {.masquerade = true, .fully_random = false});
  const char* const masquerade =
      R"(*nat
:FLANNEL-POSTRTG - [0:0]
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s fd00:10:244:1::/64 -d fd00:10:244::/56 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s fd00:10:244::/56 -d fd00:10:244:1::/64 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s fd00:10:244::/56 -d fd00:10:244:1::/64 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s fd00:10:244::/56 ! -d ff00::/8 -m comment --comment "flanneld masq" -j MASQUERADE
-A FLANNEL-POSTRTG ! -s fd00:10:244::/56 -d fd00:10:244::/56 -m comment --comment "flanneld masq" -j MASQUERADE
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
COMMIT
)";
  EXPECT_EQ(nat_change(rules, {}, IptablesMoment::start), masquerade);
  EXPECT_EQ(filter_change(rules, {}, IptablesMoment::start),
            R"(*filter
:FLANNEL-FWD - [0:0]
-A FLANNEL-FWD -s fd00:10:244::/56 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d fd00:10:244::/56 -m comment --comment "flanneld forward" -j ACCEPT
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
COMMIT
)");
}

TEST_P(IptablesTextTest, WhatIsThereIsLeftAlone) {
  for (const auto moment : {IptablesMoment::start, IptablesMoment::resync}) {
    EXPECT_EQ(nat_change(rules,
                         nat("-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE\n-A POSTROUTING " +
                             kMasqueradeJump + "\n" + kMasqueradeRules),
                         moment),
              "");
  }
  EXPECT_EQ(filter_start(":FLANNEL-FWD - [0:0]\n",
                         "-A FORWARD " + kForwardJump + "\n-A FORWARD -j X\n" + kForwardRules),
            "");
}

TEST_P(IptablesTextTest, WhatAnEarlierRunLeftGoesAtTheStart) {
  const std::string old = "-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.9.0/24 -j RETURN\n";
  const auto have = nat("-A POSTROUTING " + kMasqueradeJump + "\n" + old + kMasqueradeRules);
  EXPECT_EQ(nat_change(rules, have, IptablesMoment::start),
            text("*nat\n:FLANNEL-POSTRTG - [0:0]\n" + kMasqueradeRules + "COMMIT\n"));
  EXPECT_EQ(nat_change(rules, have, IptablesMoment::resync), "");
}

TEST_P(IptablesTextTest, ADeletedRuleComesBackInItsPlaceAndOthersStay) {
  const std::string other = "-A FLANNEL-POSTRTG -s 10.9.0.0/16 -j RETURN\n";
  const auto line_end = kMasqueradeRules.find('\n') + 1;
  const auto have =
      nat("-A POSTROUTING " + kMasqueradeJump + "\n" + other + kMasqueradeRules.substr(line_end));
  for (const auto moment : {IptablesMoment::start, IptablesMoment::resync}) {
    EXPECT_EQ(nat_change(rules, have, moment),
              text("*nat\n:FLANNEL-POSTRTG - [0:0]\n" + kMasqueradeRules + other + "COMMIT\n"));
  }
}

TEST_P(IptablesTextTest, FlannelsForTwoNetworksShareTheChainAndComeToRest) {
  const RuleSet others =
      plan_rules(IpPrefix::parse_v4("10.9.0.0/16").value(),
                 IpPrefix::parse_v4("10.9.1.0/24").value(), {.masquerade = true});
  std::string now = nat_change(others, {}, IptablesMoment::start);
  std::string change = nat_change(rules, parse_iptables(now, "nat"), IptablesMoment::start);
  now = change + "*nat\n-A POSTROUTING " + kMasqueradeJump + "\n";
  for (const RuleSet& wanted : {others, rules}) {
    for (const auto moment : {IptablesMoment::resync, IptablesMoment::start}) {
      const std::string more = nat_change(wanted, parse_iptables(now, "nat"), moment);
      if (!more.empty()) now = more + "*nat\n-A POSTROUTING " + kMasqueradeJump + "\n";
    }
  }
  const IptablesTable rest = parse_iptables(now, "nat");
  EXPECT_EQ(rest.rules.at("FLANNEL-POSTRTG").size(), 11U) << now;
  EXPECT_EQ(nat_change(others, rest, IptablesMoment::resync), "");
  EXPECT_EQ(nat_change(rules, rest, IptablesMoment::resync), "");
}

TEST_P(IptablesTextTest, WhatNftablesHasTakenOverGoesAndAnotherNetworksStays) {
  const std::string jump = "-A POSTROUTING " + kMasqueradeJump + "\n";
  EXPECT_EQ(nat_handover(rules, nat(jump + kMasqueradeRules)),
            nat_removal(nat(jump + kMasqueradeRules)));
  const std::string mark = kMasqueradeRules.substr(0, kMasqueradeRules.find('\n') + 1);
  const std::string other = "-A FLANNEL-POSTRTG -s 10.9.0.0/16 -j RETURN\n";
  EXPECT_EQ(nat_handover(rules, nat(jump + kMasqueradeRules + other)),
            text("*nat\n:FLANNEL-POSTRTG - [0:0]\n" + mark + other + "COMMIT\n"));
  EXPECT_EQ(nat_handover(rules, nat(jump + mark + other)), "");
  EXPECT_EQ(filter_handover(rules, filter("",
                                          "-A FORWARD -s 10.42.0.0/16 -j ACCEPT\n"
                                          "-A FORWARD -s 10.9.0.0/16 -j ACCEPT\n")),
            text("*filter\n-D FORWARD -s 10.42.0.0/16 -j ACCEPT\nCOMMIT\n"))
      << "of v0.10";
}

TEST_P(IptablesTextTest, ADeletedJumpComesBackAndADoubleOneGoes) {
  const std::string line = "-A POSTROUTING " + kMasqueradeJump + "\n";
  const std::string gone = "-D POSTROUTING " + kMasqueradeJump + "\n";
  EXPECT_EQ(nat_change(rules, nat(kMasqueradeRules), IptablesMoment::resync),
            text("*nat\n" + line + "COMMIT\n"));
  EXPECT_EQ(nat_change(rules, nat(line + line + kMasqueradeRules), IptablesMoment::resync),
            text("*nat\n" + gone + gone + line + "COMMIT\n"));
}

TEST_P(IptablesTextTest, AJumpBehindADropOfEverythingIsNotReached) {
  const std::string own = ":FLANNEL-FWD - [0:0]\n";
  const std::string ours = "-A FORWARD " + kForwardJump + "\n";
  EXPECT_EQ(filter_start(own, "-A FORWARD -j RETURN\n" + ours + kForwardRules),
            text("*filter\n-D FORWARD " + kForwardJump + "\n-I FORWARD 1 " + kForwardJump +
                 "\nCOMMIT\n"));
}

TEST_P(IptablesTextTest, RulesOfVersion010GoOnce) {
  const std::string old =
      "-A POSTROUTING -s 10.42.0.0/16 -d 10.42.0.0/16 -j RETURN\n"
      "-A POSTROUTING -s 10.42.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE\n"
      "-A POSTROUTING ! -s 10.42.0.0/16 -d 10.42.1.0/24 -j RETURN\n"
      "-A POSTROUTING ! -s 10.42.0.0/16 -d 10.42.0.0/16 -j MASQUERADE\n";
  const std::string others = "-A POSTROUTING -s 10.42.0.0/16 -d 10.43.0.0/16 -j RETURN\n";
  const auto have =
      nat(others + old + "-A POSTROUTING " + kMasqueradeJump + "\n" + kMasqueradeRules);
  std::string deletes = old;
  for (auto at = deletes.find("-A "); at != std::string::npos; at = deletes.find("-A ", at))
    deletes.replace(at, 3, "-D ");
  EXPECT_EQ(nat_change(rules, have, IptablesMoment::start), text("*nat\n" + deletes + "COMMIT\n"));
  EXPECT_EQ(nat_change(rules, have, IptablesMoment::resync), "");
}

TEST_P(IptablesTextTest, RulesWithCommentButWithoutChainGoToo) {
  const std::string rule =
      "FORWARD -d 10.42.0.0/16 -m comment --comment \"flanneld forward\" -j ACCEPT\n";
  EXPECT_EQ(filter_start(":FLANNEL-FWD - [0:0]\n",
                         "-A " + rule + "-A FORWARD " + kForwardJump + "\n" + kForwardRules),
            text("*filter\n-D " + rule + "COMMIT\n"));
}

TEST_P(IptablesTextTest, WithoutRulesNothingIsTouched) {
  const RuleSet none = plan_rules(net("10.42.0.0/16"), net("10.42.1.0/24"), {.forward = false});
  EXPECT_EQ(nat_change(none, {}, IptablesMoment::start), "");
  EXPECT_EQ(filter_change(none, {}, IptablesMoment::start), "");
}

TEST_P(IptablesTextTest, ARemovalBeginsWithTheJumpsSoThatTheChainIsFree) {
  EXPECT_EQ(nat_removal(nat("-A POSTROUTING " + kMasqueradeJump + "\n" + kMasqueradeRules)),
            text("*nat\n-D POSTROUTING " + kMasqueradeJump +
                 "\n-F FLANNEL-POSTRTG\n-X FLANNEL-POSTRTG\nCOMMIT\n"));
  EXPECT_EQ(filter_removal(filter(":FLANNEL-FWD - [0:0]\n:DOCKER-USER - [0:0]\n",
                                  "-A FORWARD -j ACCEPT\n-A FORWARD " + kForwardJump +
                                      "\n-A DOCKER-USER " + kForwardJump + "\n" + kForwardRules)),
            text("*filter\n-D DOCKER-USER " + kForwardJump + "\n-D FORWARD " + kForwardJump +
                 "\n-F FLANNEL-FWD\n-X FLANNEL-FWD\nCOMMIT\n"));
  EXPECT_EQ(nat_removal({}), "");
  EXPECT_EQ(filter_removal(filter("", "-A FORWARD -j ACCEPT\n")), "");
}

// As v0.16.2 … v0.19 wrote them; of an operator's rule the comment may speak of us.
TEST_P(IptablesTextTest, ARemovalKnowsARuleByItsWholeCommentWhereFlannelPutIt) {
  const std::string old = "-s 10.42.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN\n";
  const std::string operators =
      "-A POSTROUTING -s 10.42.7.7/32 -m comment --comment \"exempt from flanneld masq\" -j "
      "ACCEPT\n"
      "-A POSTROUTING -s 10.42.7.7/32 -m comment --comment \"flanneld masq: not here\" -j ACCEPT\n"
      "-A POSTROUTING -m comment --comment \"no \\\"flanneld masq\\\" here\" -j ACCEPT\n"
      "-A PREROUTING " +
      old;
  const auto have = nat(operators + "-A POSTROUTING " + old, false);
  const std::string removal = text("*nat\n-D POSTROUTING " + old + "COMMIT\n");
  EXPECT_EQ(nat_removal(have), removal);
  EXPECT_EQ(nat_handover(rules, have), removal);
}

TEST_P(IptablesTextTest, AHandoverLeavesWhatWasPutIntoTheParentForAnotherNetwork) {
  const auto have = nat(
      "-A POSTROUTING -s 10.9.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN\n", false);
  EXPECT_EQ(nat_handover(rules, have), "");
  EXPECT_NE(nat_removal(have), "");
}

TEST_P(IptablesTextTest, AHostThatDropsWhatItForwardsIsRecognised) {
  EXPECT_TRUE(forward_may_drop(filter("", "")));
  EXPECT_TRUE(forward_may_drop(
      parse_iptables("*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n", "filter")));
  EXPECT_FALSE(forward_may_drop(parse_iptables("*filter\n:FORWARD ACCEPT [0:0]\n", "filter")));
  EXPECT_FALSE(forward_may_drop({}));
}

TEST_P(IptablesTextTest, OnlyTheTableThatWasAskedForIsRead) {
  const IptablesTable table = parse_iptables(
      "# made by\n*raw\n:X - [0:0]\n-A X -j DROP\nCOMMIT\n*filter\n:FORWARD ACCEPT [7:9]\n"
      "-A FORWARD -j X\n-A\n-A FORWARD\nnonsense\nCOMMIT\n",
      "filter");
  EXPECT_EQ(table.policies, (std::map<std::string, std::string>{{"FORWARD", "ACCEPT"}}));
  EXPECT_EQ(table.rules.at("FORWARD"), std::vector<std::string>{"-j X"});
  EXPECT_EQ(table.rules.size(), 1U);
}

}  // namespace
}  // namespace flannel::iptables_text_test
