// SPDX-License-Identifier: Apache-2.0
#include "rules/iptables_text.h"

#include <gtest/gtest.h>

namespace flannel::iptables_text_test {
namespace {

const IpPrefix kNetwork = IpPrefix::parse_v4("10.42.0.0/16").value();
const IpPrefix kSubnet = IpPrefix::parse_v4("10.42.1.0/24").value();
const RuleSet kRules = plan_rules(kNetwork, kSubnet, {.masquerade = true});

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

IptablesTable nat(const std::string& rules, bool with_chain = true) {
  return parse_iptables("*nat\n:POSTROUTING ACCEPT [0:0]\n" +
                            std::string(with_chain ? ":FLANNEL-POSTRTG - [0:0]\n" : "") + rules +
                            "COMMIT\n",
                        "nat");
}
IptablesTable filter(const std::string& chains, const std::string& rules) {
  return parse_iptables("*filter\n:FORWARD DROP [0:0]\n" + chains + rules + "COMMIT\n", "filter");
}
std::string filter_start(const std::string& chains, const std::string& rules) {
  return filter_change(kRules, filter(chains, rules), IptablesMoment::start);
}

TEST(IptablesTextTest, OnAHostWithoutAnythingBothChainsAreMade) {
  EXPECT_EQ(nat_change(kRules, {}, IptablesMoment::start),
            "*nat\n:FLANNEL-POSTRTG - [0:0]\n" + kMasqueradeRules + "-A POSTROUTING " +
                kMasqueradeJump + "\nCOMMIT\n");
  EXPECT_EQ(filter_change(kRules, {}, IptablesMoment::start), "*filter\n:FLANNEL-FWD - [0:0]\n" +
                                                                  kForwardRules + "-A FORWARD " +
                                                                  kForwardJump + "\nCOMMIT\n");
}

TEST(IptablesTextTest, WhatIsThereIsLeftAlone) {
  for (const auto moment : {IptablesMoment::start, IptablesMoment::resync}) {
    EXPECT_EQ(nat_change(kRules,
                         nat("-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE\n-A POSTROUTING " +
                             kMasqueradeJump + "\n" + kMasqueradeRules),
                         moment),
              "");
  }
  EXPECT_EQ(filter_start(":FLANNEL-FWD - [0:0]\n",
                         "-A FORWARD " + kForwardJump + "\n-A FORWARD -j X\n" + kForwardRules),
            "");
}

TEST(IptablesTextTest, WhatAnEarlierRunLeftGoesAtTheStart) {
  const std::string old = "-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.9.0/24 -j RETURN\n";
  const auto have = nat("-A POSTROUTING " + kMasqueradeJump + "\n" + old + kMasqueradeRules);
  EXPECT_EQ(nat_change(kRules, have, IptablesMoment::start),
            "*nat\n:FLANNEL-POSTRTG - [0:0]\n" + kMasqueradeRules + "COMMIT\n");
  EXPECT_EQ(nat_change(kRules, have, IptablesMoment::resync), "");
}

TEST(IptablesTextTest, ADeletedRuleComesBackInItsPlaceAndOthersStay) {
  const std::string other = "-A FLANNEL-POSTRTG -s 10.9.0.0/16 -j RETURN\n";
  const auto line_end = kMasqueradeRules.find('\n') + 1;
  const auto have =
      nat("-A POSTROUTING " + kMasqueradeJump + "\n" + other + kMasqueradeRules.substr(line_end));
  for (const auto moment : {IptablesMoment::start, IptablesMoment::resync}) {
    EXPECT_EQ(nat_change(kRules, have, moment),
              "*nat\n:FLANNEL-POSTRTG - [0:0]\n" + kMasqueradeRules + other + "COMMIT\n");
  }
}

TEST(IptablesTextTest, FlannelsForTwoNetworksShareTheChainAndComeToRest) {
  const RuleSet others =
      plan_rules(IpPrefix::parse_v4("10.9.0.0/16").value(),
                 IpPrefix::parse_v4("10.9.1.0/24").value(), {.masquerade = true});
  std::string now = nat_change(others, {}, IptablesMoment::start);
  std::string change = nat_change(kRules, parse_iptables(now, "nat"), IptablesMoment::start);
  now = change + "*nat\n-A POSTROUTING " + kMasqueradeJump + "\n";
  for (const RuleSet& rules : {others, kRules}) {
    for (const auto moment : {IptablesMoment::resync, IptablesMoment::start}) {
      const std::string more = nat_change(rules, parse_iptables(now, "nat"), moment);
      if (!more.empty()) now = more + "*nat\n-A POSTROUTING " + kMasqueradeJump + "\n";
    }
  }
  const IptablesTable rest = parse_iptables(now, "nat");
  EXPECT_EQ(rest.rules.at("FLANNEL-POSTRTG").size(), 11U) << now;
  EXPECT_EQ(nat_change(others, rest, IptablesMoment::resync), "");
  EXPECT_EQ(nat_change(kRules, rest, IptablesMoment::resync), "");
}

TEST(IptablesTextTest, WhatNftablesHasTakenOverGoesAndAnotherNetworksStays) {
  const std::string jump = "-A POSTROUTING " + kMasqueradeJump + "\n";
  EXPECT_EQ(nat_handover(kRules, nat(jump + kMasqueradeRules)),
            nat_removal(nat(jump + kMasqueradeRules)));
  const std::string mark = kMasqueradeRules.substr(0, kMasqueradeRules.find('\n') + 1);
  const std::string other = "-A FLANNEL-POSTRTG -s 10.9.0.0/16 -j RETURN\n";
  EXPECT_EQ(nat_handover(kRules, nat(jump + kMasqueradeRules + other)),
            "*nat\n:FLANNEL-POSTRTG - [0:0]\n" + mark + other + "COMMIT\n");
  EXPECT_EQ(nat_handover(kRules, nat(jump + mark + other)), "");
  EXPECT_EQ(filter_handover(kRules, filter("",
                                           "-A FORWARD -s 10.42.0.0/16 -j ACCEPT\n"
                                           "-A FORWARD -s 10.9.0.0/16 -j ACCEPT\n")),
            "*filter\n-D FORWARD -s 10.42.0.0/16 -j ACCEPT\nCOMMIT\n")
      << "of v0.10";
}

TEST(IptablesTextTest, ADeletedJumpComesBackAndADoubleOneGoes) {
  const std::string line = "-A POSTROUTING " + kMasqueradeJump + "\n";
  const std::string gone = "-D POSTROUTING " + kMasqueradeJump + "\n";
  EXPECT_EQ(nat_change(kRules, nat(kMasqueradeRules), IptablesMoment::resync),
            "*nat\n" + line + "COMMIT\n");
  EXPECT_EQ(nat_change(kRules, nat(line + line + kMasqueradeRules), IptablesMoment::resync),
            "*nat\n" + gone + gone + line + "COMMIT\n");
}

TEST(IptablesTextTest, AJumpBehindADropOfEverythingIsNotReached) {
  const std::string own = ":FLANNEL-FWD - [0:0]\n";
  const std::string ours = "-A FORWARD " + kForwardJump + "\n";
  EXPECT_EQ(
      filter_start(own, "-A FORWARD -j RETURN\n" + ours + kForwardRules),
      "*filter\n-D FORWARD " + kForwardJump + "\n-I FORWARD 1 " + kForwardJump + "\nCOMMIT\n");
}

TEST(IptablesTextTest, RulesOfVersion010GoOnce) {
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
  EXPECT_EQ(nat_change(kRules, have, IptablesMoment::start), "*nat\n" + deletes + "COMMIT\n");
  EXPECT_EQ(nat_change(kRules, have, IptablesMoment::resync), "");
}

TEST(IptablesTextTest, RulesWithCommentButWithoutChainGoToo) {
  const std::string rule =
      "FORWARD -d 10.42.0.0/16 -m comment --comment \"flanneld forward\" -j ACCEPT\n";
  EXPECT_EQ(filter_start(":FLANNEL-FWD - [0:0]\n",
                         "-A " + rule + "-A FORWARD " + kForwardJump + "\n" + kForwardRules),
            "*filter\n-D " + rule + "COMMIT\n");
}

TEST(IptablesTextTest, WithoutRulesNothingIsTouched) {
  const RuleSet none = plan_rules(kNetwork, kSubnet, {.forward = false});
  EXPECT_EQ(nat_change(none, {}, IptablesMoment::start), "");
  EXPECT_EQ(filter_change(none, {}, IptablesMoment::start), "");
}

TEST(IptablesTextTest, ARemovalBeginsWithTheJumpsSoThatTheChainIsFree) {
  EXPECT_EQ(nat_removal(nat("-A POSTROUTING " + kMasqueradeJump + "\n" + kMasqueradeRules)),
            "*nat\n-D POSTROUTING " + kMasqueradeJump +
                "\n-F FLANNEL-POSTRTG\n-X FLANNEL-POSTRTG\nCOMMIT\n");
  EXPECT_EQ(filter_removal(filter(":FLANNEL-FWD - [0:0]\n:DOCKER-USER - [0:0]\n",
                                  "-A FORWARD -j ACCEPT\n-A FORWARD " + kForwardJump +
                                      "\n-A DOCKER-USER " + kForwardJump + "\n" + kForwardRules)),
            "*filter\n-D DOCKER-USER " + kForwardJump + "\n-D FORWARD " + kForwardJump +
                "\n-F FLANNEL-FWD\n-X FLANNEL-FWD\nCOMMIT\n");
  EXPECT_EQ(nat_removal({}), "");
  EXPECT_EQ(filter_removal(filter("", "-A FORWARD -j ACCEPT\n")), "");
}

// As v0.16.2 … v0.19 wrote them; of an operator's rule the comment may speak of us.
TEST(IptablesTextTest, ARemovalKnowsARuleByItsWholeCommentWhereFlannelPutIt) {
  const std::string old = "-s 10.42.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN\n";
  const std::string operators =
      "-A POSTROUTING -s 10.42.7.7/32 -m comment --comment \"exempt from flanneld masq\" -j "
      "ACCEPT\n"
      "-A POSTROUTING -s 10.42.7.7/32 -m comment --comment \"flanneld masq: not here\" -j ACCEPT\n"
      "-A POSTROUTING -m comment --comment \"no \\\"flanneld masq\\\" here\" -j ACCEPT\n"
      "-A PREROUTING " +
      old;
  const auto have = nat(operators + "-A POSTROUTING " + old, false);
  const std::string removal = "*nat\n-D POSTROUTING " + old + "COMMIT\n";
  EXPECT_EQ(nat_removal(have), removal);
  EXPECT_EQ(nat_handover(kRules, have), removal);
}

TEST(IptablesTextTest, AHandoverLeavesWhatWasPutIntoTheParentForAnotherNetwork) {
  const auto have = nat(
      "-A POSTROUTING -s 10.9.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN\n", false);
  EXPECT_EQ(nat_handover(kRules, have), "");
  EXPECT_NE(nat_removal(have), "");
}

TEST(IptablesTextTest, AHostThatDropsWhatItForwardsIsRecognised) {
  EXPECT_TRUE(forward_may_drop(filter("", "")));
  EXPECT_TRUE(forward_may_drop(
      parse_iptables("*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n", "filter")));
  EXPECT_FALSE(forward_may_drop(parse_iptables("*filter\n:FORWARD ACCEPT [0:0]\n", "filter")));
  EXPECT_FALSE(forward_may_drop({}));
}

TEST(IptablesTextTest, OnlyTheTableThatWasAskedForIsRead) {
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
