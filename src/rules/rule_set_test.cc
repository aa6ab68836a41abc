// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_set.h"

#include <gtest/gtest.h>

#include "rules/nft_text.h"
#include "support/in_family.h"

namespace flannel::rule_set_test {
namespace {

bool matches(const std::optional<AddressMatch>& match, const IpAddress& address) {
  return !match || match->net.contains(address) != match->inverted;
}

// What becomes of a packet: the verdict of the first rule that matches, "nothing" without one.
std::string fate(const std::vector<Rule>& rules, const IpAddress& from, const IpAddress& to,
                 bool marked = false) {
  for (const Rule& rule : rules) {
    if (!matches(rule.from, from) || !matches(rule.to, to) || (rule.marked && !marked)) continue;
    if (rule.verdict == Verdict::accept) return "accept";
    if (rule.verdict == Verdict::drop) return "drop";
    return rule.verdict == Verdict::leave ? "leave" : "masquerade";
  }
  return "nothing";
}

class RuleSetTest : public InFamily<::testing::Test> {
 protected:
  RuleSet plan(const RuleOptions& options) const { return plan_rules(network, subnet, options); }
  std::string fate_of(const char* from, const char* to, bool marked = false) const {
    const RuleSet rules = plan({.masquerade = true, .forward = true});
    return fate(rules.masquerade, ip(from), ip(to), marked);
  }

  const IpPrefix network = net("10.5.0.0/16");
  const IpPrefix subnet = net("10.5.1.0/24");
};

INSTANTIATE_TEST_SUITE_P(Both, RuleSetTest, kBothFamilies, family_name);

TEST_P(RuleSetTest, NoPacketPassesBetweenTheNetworkAndStrangers) {
  const std::vector strangers{net("10.6.0.0/16"), net("10.7.0.0/16")};
  const RuleSet rules = plan_rules(network, subnet, {.forward = false}, strangers);
  EXPECT_FALSE(rules.empty());
  EXPECT_EQ(fate(rules.separate, ip("10.5.1.2"), ip("10.6.1.2")), "drop");
  EXPECT_EQ(fate(rules.separate, ip("10.7.1.2"), ip("10.5.1.2")), "drop");
  EXPECT_EQ(fate(rules.separate, ip("10.5.1.2"), ip("10.5.2.2")), "nothing");
  EXPECT_EQ(fate(rules.separate, ip("10.6.1.2"), ip("10.7.1.2")), "nothing") << "theirs to decide";
  EXPECT_EQ(fate(rules.separate, ip("10.5.1.2"), ip("192.0.2.1")), "nothing");
  const std::string text = render_nft(rules);
  EXPECT_NE(text.find("chain separate"), std::string::npos) << text;
  EXPECT_NE(text.find(" drop\n"), std::string::npos) << text;
}

TEST_P(RuleSetTest, ContainersSpeakToEachOtherByTheirOwnAddresses) {
  EXPECT_EQ(fate_of("10.5.1.2", "10.5.2.2"), "leave") << "ours to a peer's";
  EXPECT_EQ(fate_of("10.5.2.2", "10.5.1.2"), "leave") << "a peer's to ours";
  EXPECT_EQ(fate_of("10.5.1.2", "10.5.1.3"), "leave") << "ours to ours";
}

TEST_P(RuleSetTest, WhatLeavesTheNetworkTakesTheHostsAddress) {
  EXPECT_EQ(fate_of("10.5.1.2", "198.51.100.1"), "masquerade");
  EXPECT_EQ(fate_of("10.5.1.2", "10.6.0.1"), "masquerade");
}

TEST_P(RuleSetTest, TrafficToOurContainersKeepsItsSource) {
  EXPECT_EQ(fate_of("198.51.100.1", "10.5.1.2"), "leave");
  EXPECT_EQ(fate_of("192.0.2.1", "10.5.1.2"), "leave") << "the host itself";
}

TEST_P(RuleSetTest, FromAnotherNetworkToAPeersContainerTheAnswerHasToComeBackHere) {
  EXPECT_EQ(fate_of("192.0.2.1", "10.5.2.2"), "masquerade");
  EXPECT_EQ(fate_of("172.17.0.2", "10.5.2.2"), "masquerade");
}

TEST_P(RuleSetTest, MulticastIsLeftAlone) {
  EXPECT_EQ(fate_of("10.5.1.2", "224.0.0.251"), "nothing");
  EXPECT_EQ(fate_of("10.5.1.2", "239.255.255.255"), "nothing");
  const char* const after = family() == Family::v4 ? "240.0.0.1" : "fe00::1";
  EXPECT_EQ(
      fate(plan({.masquerade = true}).masquerade, ip("10.5.1.2"), IpAddress::parse(after).value()),
      "masquerade");
}

TEST_P(RuleSetTest, TrafficOfOthersIsNoneOfOurs) {
  EXPECT_EQ(fate_of("192.0.2.1", "198.51.100.1"), "nothing");
}

TEST_P(RuleSetTest, WhatKubernetesMarkedIsLeftToKubernetes) {
  EXPECT_EQ(fate_of("10.5.1.2", "198.51.100.1", true), "leave");
}

TEST_P(RuleSetTest, EverythingFromAndToTheNetworkIsForwarded) {
  const auto rules = plan({}).forward;
  EXPECT_EQ(fate(rules, ip("10.5.1.2"), ip("198.51.100.1")), "accept");
  EXPECT_EQ(fate(rules, ip("198.51.100.1"), ip("10.5.2.2")), "accept");
  EXPECT_EQ(fate(rules, ip("192.0.2.1"), ip("198.51.100.1")), "nothing");
}

TEST_P(RuleSetTest, WhatIsNotAskedForIsNotThere) {
  EXPECT_TRUE(plan({}).masquerade.empty());
  EXPECT_TRUE(plan({.forward = false}).forward.empty());
}

class NftTextTest : public RuleSetTest {};

INSTANTIATE_TEST_SUITE_P(Both, NftTextTest, kBothFamilies, family_name);

TEST_P(NftTextTest, OneTransactionReplacesTheTable) {
  const RuleSet rules = plan({.masquerade = true});
  EXPECT_EQ(render_nft(rules), text(R"(add table ip flannel-10.5.0.0-16
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
)"));
}

TEST_P(NftTextTest, WithoutRulesTheTableGoes) {
  EXPECT_EQ(render_nft(plan({.forward = false})),
            text("add table ip flannel-10.5.0.0-16\ndelete table ip flannel-10.5.0.0-16\n"));
}

TEST_P(NftTextTest, OfAllTablesThoseGoThatOursTakesThePlaceOf) {
  // Of releases without IPv6, and of upstream, which always has both.
  std::vector<std::string> gone = {"ip6 flannel-ipv6"};
  if (family() == Family::v4) gone.insert(gone.end(), {"ip flannel", "ip flannel-ipv4"});
  for (const char* earlier : {"ip flannel-10.0.0.0-8", "ip flannel-10.5.7.0-24"})
    gone.push_back(text(earlier));
  std::vector<std::string> all = gone;
  for (const char* other :
       {"ip flannel-10.5.0.0-16", "ip flannel-10.6.0.0-16", "ip flannel-10.5.0.1-16", "ip filter",
        "ip flannel-", "ip flannel-x-16", "ip flannel-10.5.0.0"}) {
    all.push_back(text(other));
  }
  const Family another = family() == Family::v4 ? Family::v6 : Family::v4;
  all.push_back(in_family(another, "ip flannel-10.0.0.0-8"));
  all.emplace_back("inet flannel");
  EXPECT_EQ(nft_tables_before(all, network), gone);
}

TEST_P(NftTextTest, FlanneldsTablesAreKnownByTheirName) {
  EXPECT_TRUE(is_flannel_nft_table("ip flannel"));
  EXPECT_TRUE(is_flannel_nft_table(nft_table(network)));
  EXPECT_FALSE(is_flannel_nft_table("ip flannel-ipv4")) << "upstream's";
  EXPECT_FALSE(is_flannel_nft_table("ip6 flannel-ipv6")) << "upstream's";
  EXPECT_FALSE(is_flannel_nft_table(text("ip flannel-10.5.1.0-16"))) << "no network";
  EXPECT_FALSE(is_flannel_nft_table("ip6 flannel-10.5.0.0-16")) << "of the other family";
  EXPECT_FALSE(is_flannel_nft_table("ip flannel-fd00_a_5__-48"));
  EXPECT_FALSE(is_flannel_nft_table("ip6 flannel-fd00:a:5::-48"));
  EXPECT_EQ(network_of_nft_table(nft_table(network)), network);
}

TEST_P(NftTextTest, PortsNeedNotBeRandom) {
  const RuleSet rules = plan({.masquerade = true, .fully_random = false});
  EXPECT_EQ(render_nft(rules).find("fully-random"), std::string::npos);
}

}  // namespace
}  // namespace flannel::rule_set_test
