// SPDX-License-Identifier: Apache-2.0
#include "trace/iptables_table.h"

#include <gtest/gtest.h>

#include <string>

namespace flannel::iptables_table_test {
namespace {

using namespace trace;

const Packet kPacket{.source = IpAddress::v4(10, 5, 1, 2),
                     .destination = IpAddress::v4(10, 5, 2, 3),
                     .in = "br-cafe",
                     .out = "flannel.1",
                     .protocol = "tcp",
                     .port = 80};

// "yes", "no" or "?", and the action.
std::string asked(std::string_view text) {
  const Rule rule = iptables_rule(text, kPacket);
  const std::string answer = rule.matches == Answer::yes  ? "yes"
                             : rule.matches == Answer::no ? "no"
                                                          : "?";
  switch (rule.action) {
    case Action::drop:
      return answer + " drop";
    case Action::accept:
      return answer + " accept";
    case Action::leave:
      return answer + " leave";
    case Action::jump:
      return answer + " jump " + rule.target;
    case Action::go_to:
      return answer + " goto " + rule.target;
    case Action::pass_on:
      break;
  }
  return answer;
}

TEST(IptablesTableTest, ARuleIsAskedForEachOfItsMatches) {
  EXPECT_EQ(asked("-j DROP"), "yes drop");
  EXPECT_EQ(asked("-s 10.5.0.0/16 -d 10.5.2.3/32 -j ACCEPT"), "yes accept");
  EXPECT_EQ(asked("-s 10.6.0.0/16 -j DROP"), "no drop");
  EXPECT_EQ(asked("! -s 10.6.0.0/16 -j DROP"), "yes drop");
  EXPECT_EQ(asked("-i br+ ! -o docker0 -j RETURN"), "yes leave");
  EXPECT_EQ(asked("-i br-caf -j DROP"), "no drop");
  EXPECT_EQ(asked("-p udp -j DROP"), "no drop");
  EXPECT_EQ(asked("-p tcp -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable"),
            "yes drop");
  EXPECT_EQ(asked("-p tcp -m tcp --dport 81:90 -j DROP"), "no drop");
  EXPECT_EQ(asked("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"), "no accept");
  EXPECT_EQ(asked("-m conntrack --ctstate NEW -j chain"), "yes jump chain");
  EXPECT_EQ(asked("-g chain"), "yes goto chain");
}

TEST(IptablesTableTest, WordsOfACommentAreNoMatch) {
  EXPECT_EQ(asked("-m comment --comment \"no -s 10.9.0.0/16 \\\" -j ACCEPT\" -j DROP"), "yes drop");
}

TEST(IptablesTableTest, WhatIsNotKnownMakesTheAnswerUnknown) {
  EXPECT_EQ(asked("-m set --match-set bad src -j DROP"), "? drop");
  EXPECT_EQ(asked("-m mark --mark 0x1/0x1 -j DROP"), "? drop");
  EXPECT_EQ(asked("-s 10.6.0.0/16 -m set --match-set bad src -j DROP"), "no drop");
  EXPECT_EQ(asked("-s nonsense -j DROP"), "? drop");
}

TEST(IptablesTableTest, AnOperatorsDropInDockersChainIsFound) {
  const std::string saved =
      "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DROP\nCOMMIT\n"
      "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n"
      "-A FORWARD -j DOCKER-USER\n"
      "-A DOCKER-USER -d 10.5.0.0/16 -p tcp -j DROP\n"
      "-A FORWARD -j ACCEPT\nCOMMIT\n";
  const auto drops = find_drops(iptables_tables(saved, "iptables", kPacket));
  ASSERT_EQ(drops.size(), 1U);
  EXPECT_EQ(drops[0].where, "iptables table filter, chain DOCKER-USER");
  EXPECT_EQ(drops[0].rule, "-d 10.5.0.0/16 -p tcp -j DROP");
  EXPECT_TRUE(drops[0].is_certain);
}

TEST(IptablesTableTest, DockersDropAheadOfRoutingIsFound) {
  const std::string saved =
      "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.5.2.3/32 ! -i docker0 -j DROP\nCOMMIT\n";
  const auto drops = find_drops(iptables_tables(saved, "iptables", kPacket));
  ASSERT_EQ(drops.size(), 1U);
  EXPECT_EQ(drops[0].where, "iptables table raw, chain PREROUTING");
}

}  // namespace
}  // namespace flannel::iptables_table_test
