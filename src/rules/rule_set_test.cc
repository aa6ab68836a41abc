// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_set.h"

#include <gtest/gtest.h>

#include "rules/nft_text.h"

namespace flannel::rule_set_test {
namespace {

const IpPrefix kNetwork = IpPrefix::parse_v4("10.5.0.0/16").value();
const IpPrefix kSubnet = IpPrefix::parse_v4("10.5.1.0/24").value();

bool matches(const std::optional<AddressMatch>& match, const char* address) {
  return !match || match->net.contains(IpAddress::parse_v4(address).value()) != match->inverted;
}

// What becomes of a packet: the verdict of the first rule that matches, "nothing" without one.
std::string fate(const std::vector<Rule>& rules, const char* from, const char* to,
                 bool marked = false) {
  for (const Rule& rule : rules) {
    if (!matches(rule.from, from) || !matches(rule.to, to) || (rule.marked && !marked)) continue;
    if (rule.verdict == Verdict::accept) return "accept";
    return rule.verdict == Verdict::leave ? "leave" : "masquerade";
  }
  return "nothing";
}

class RuleSetTest : public ::testing::Test {
 protected:
  static std::string fate_of(const char* from, const char* to, bool marked = false) {
    const RuleSet rules = plan_rules(kNetwork, kSubnet, {.masquerade = true, .forward = true});
    return fate(rules.masquerade, from, to, marked);
  }
};

TEST_F(RuleSetTest, ContainersSpeakToEachOtherByTheirOwnAddresses) {
  EXPECT_EQ(fate_of("10.5.1.2", "10.5.2.2"), "leave") << "ours to a peer's";
  EXPECT_EQ(fate_of("10.5.2.2", "10.5.1.2"), "leave") << "a peer's to ours";
  EXPECT_EQ(fate_of("10.5.1.2", "10.5.1.3"), "leave") << "ours to ours";
}

TEST_F(RuleSetTest, WhatLeavesTheNetworkTakesTheHostsAddress) {
  EXPECT_EQ(fate_of("10.5.1.2", "198.51.100.1"), "masquerade");
  EXPECT_EQ(fate_of("10.5.1.2", "10.6.0.1"), "masquerade");
}

TEST_F(RuleSetTest, TrafficToOurContainersKeepsItsSource) {
  EXPECT_EQ(fate_of("198.51.100.1", "10.5.1.2"), "leave");
  EXPECT_EQ(fate_of("192.0.2.1", "10.5.1.2"), "leave") << "the host itself";
}

TEST_F(RuleSetTest, FromAnotherNetworkToAPeersContainerTheAnswerHasToComeBackHere) {
  EXPECT_EQ(fate_of("192.0.2.1", "10.5.2.2"), "masquerade");
  EXPECT_EQ(fate_of("172.17.0.2", "10.5.2.2"), "masquerade");
}

TEST_F(RuleSetTest, MulticastIsLeftAlone) {
  EXPECT_EQ(fate_of("10.5.1.2", "224.0.0.251"), "nothing");
  EXPECT_EQ(fate_of("10.5.1.2", "239.255.255.255"), "nothing");
  EXPECT_EQ(fate_of("10.5.1.2", "240.0.0.1"), "masquerade");
}

TEST_F(RuleSetTest, TrafficOfOthersIsNoneOfOurs) {
  EXPECT_EQ(fate_of("192.0.2.1", "198.51.100.1"), "nothing");
}

TEST_F(RuleSetTest, WhatKubernetesMarkedIsLeftToKubernetes) {
  EXPECT_EQ(fate_of("10.5.1.2", "198.51.100.1", true), "leave");
}

TEST_F(RuleSetTest, EverythingFromAndToTheNetworkIsForwarded) {
  const auto rules = plan_rules(kNetwork, kSubnet, {}).forward;
  EXPECT_EQ(fate(rules, "10.5.1.2", "198.51.100.1"), "accept");
  EXPECT_EQ(fate(rules, "198.51.100.1", "10.5.2.2"), "accept");
  EXPECT_EQ(fate(rules, "192.0.2.1", "198.51.100.1"), "nothing");
}

TEST_F(RuleSetTest, WhatIsNotAskedForIsNotThere) {
  EXPECT_TRUE(plan_rules(kNetwork, kSubnet, {}).masquerade.empty());
  EXPECT_TRUE(plan_rules(kNetwork, kSubnet, {.forward = false}).forward.empty());
}

TEST(NftTextTest, OneTransactionReplacesTheTable) {
  const RuleSet rules = plan_rules(kNetwork, kSubnet, {.masquerade = true});
  EXPECT_EQ(render_nft(rules), R"(add table ip flannel-10.5.0.0-16
delete table ip flannel-10.5.0.0-16
table ip flannel-10.5.0.0-16 {
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    meta mark & 0x4000 == 0x4000 return
    ip saddr 10.5.1.0/24 ip daddr 10.5.0.0/16 return
    ip saddr 10.5.0.0/16 ip daddr 10.5.1.0/24 return
    ip saddr != 10.5.0.0/16 ip daddr 10.5.1.0/24 return
    ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
    ip saddr != 10.5.0.0/16 ip daddr 10.5.0.0/16 masquerade fully-random
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    ip saddr 10.5.0.0/16 accept
    ip daddr 10.5.0.0/16 accept
  }
}
)");
}

TEST(NftTextTest, WithoutRulesTheTableGoes) {
  EXPECT_EQ(render_nft(plan_rules(kNetwork, kSubnet, {.forward = false})),
            "add table ip flannel-10.5.0.0-16\ndelete table ip flannel-10.5.0.0-16\n");
}

TEST(NftTextTest, OfAllTablesThoseGoThatOursTakesThePlaceOf) {
  const std::vector<std::string> gone = {"ip flannel", "ip flannel-10.0.0.0-8", "ip flannel-ipv4",
                                         "ip flannel-10.5.7.0-24", "ip6 flannel-ipv6"};
  std::vector<std::string> all = gone;
  for (const char* other :
       {"ip flannel-10.5.0.0-16", "ip flannel-10.6.0.0-16", "ip flannel-10.5.0.1-16", "ip filter",
        "inet flannel", "ip flannel-", "ip flannel-x-16", "ip flannel-10.5.0.0"}) {
    all.emplace_back(other);
  }
  EXPECT_EQ(nft_tables_before(all, kNetwork), gone);
}

TEST(NftTextTest, FlanneldsTablesAreKnownByTheirName) {
  EXPECT_TRUE(is_flannel_nft_table("ip flannel"));
  EXPECT_TRUE(is_flannel_nft_table(nft_table(kNetwork)));
  EXPECT_FALSE(is_flannel_nft_table("ip flannel-ipv4")) << "upstream's";
  EXPECT_FALSE(is_flannel_nft_table("ip flannel-10.5.0.1-16")) << "no network";
}

TEST(NftTextTest, PortsNeedNotBeRandom) {
  const RuleSet rules = plan_rules(kNetwork, kSubnet, {.masquerade = true, .fully_random = false});
  EXPECT_EQ(render_nft(rules).find("fully-random"), std::string::npos);
}

}  // namespace
}  // namespace flannel::rule_set_test
