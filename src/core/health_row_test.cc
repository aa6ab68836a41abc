// SPDX-License-Identifier: Apache-2.0
#include "core/health_row.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flannel::health_row_test {
namespace {

constexpr const char* kNode = "0123456789abcdef0123456789abcdef";

IpPrefix subnet(int number) {
  return IpPrefix::parse(fmt::format("10.{}.{}.0/24", 100 + number / 256, number % 256)).value();
}

HealthRow row() {
  return {.node = decode_node_id(kNode).value(),
          .serial = 7,
          .ok = 997,
          .rtt = HealthRow::Rtt{std::chrono::microseconds(310), std::chrono::microseconds(900)}};
}

// Why the text is refused; empty: it is not.
std::string fault(const std::string& text) {
  const auto read = decode_health_row(text);
  return read ? "" : read.error().text;
}

std::string with(const std::string& members) {
  return fmt::format(R"({{"Version":1,"NodeID":"{}","Serial":1,"OK":1{}}})", kNode, members);
}

TEST(HealthRowTest, ARowIsReadAsItWasWritten) {
  HealthRow one = row();
  one.others["one-way"] = {subnet(3)};
  one.others["unreachable"] = {subnet(1), IpPrefix::parse("fd00:12::/64").value()};
  one.more["not-probed"] = 2;
  const std::string text = encode_health_row(one);
  EXPECT_EQ(text, R"({"Version":1,"NodeID":"0123456789abcdef0123456789abcdef","Serial":7,"OK":997,)"
                  R"("RTT":[310,900],"Peers":{"unreachable":["10.100.1.0/24","fd00:12::/64"],)"
                  R"("one-way":["10.100.3.0/24"]},"More":{"not-probed":2}})");
  EXPECT_EQ(decode_health_row(text), one);
}

TEST(HealthRowTest, ManyHealthyPeersTakeLittle) {
  EXPECT_LT(encode_health_row(row()).size(), 150U);
}

TEST(HealthRowTest, WhatDoesNotFitIsCountedAndTheWorstIsNamed) {
  HealthRow one = row();
  for (int number = 0; number < 5000; ++number)
    one.others[number < 300 ? "unreachable" : "never-seen"].push_back(subnet(number));
  one.more["never-seen"] = 10;
  const std::string text = encode_health_row(one);
  EXPECT_LE(text.size(), kMostHealthRow);
  EXPECT_GT(text.size(), kMostHealthRow - 600);
  const HealthRow read = decode_health_row(text).value();
  EXPECT_EQ(read.others.at("unreachable").size(), 300U);
  EXPECT_EQ(read.others.at("never-seen").size() + read.more.at("never-seen"), 4710U);
}

TEST(HealthRowTest, OnlyTheStatesOfPeersAreCompared) {
  HealthRow one = row(), other = row();
  other.serial = 8;
  other.ok = 1;
  other.rtt.reset();
  EXPECT_TRUE(one.has_states_of(other));
  other.more["mtu"] = 1;
  EXPECT_FALSE(one.has_states_of(other));
}

TEST(HealthRowTest, WhatIsUnknownIsIgnored) {
  const auto read = decode_health_row(
      with(R"(,"New":[[]],"Peers":{"on-fire":17,"mtu":["10.5.1.0/24"]},"More":{"on-fire":3})"));
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->others.size(), 1U);
  EXPECT_EQ(read->others.at("mtu").size(), 1U);
  EXPECT_TRUE(read->more.empty());
}

TEST(HealthRowTest, WhatIsNoRowIsRefused) {
  EXPECT_EQ(fault(with("")), "");
  for (const char* text : {"", "7", "[]", "{", "null", R"({"Version":1})", "\xff"})
    EXPECT_NE(fault(text), "") << text;
  for (const char* members :
       {R"(,"Version":2)", R"(,"NodeID":7)", R"(,"NodeID":"xyz")", R"(,"Serial":-1)",
        R"(,"OK":1.5)", R"(,"OK":18446744073709551615)", R"(,"RTT":7)", R"(,"RTT":[1])",
        R"(,"RTT":[1,-2])", R"(,"Peers":[])", R"(,"Peers":{"mtu":7})", R"(,"Peers":{"mtu":[7]})",
        R"(,"Peers":{"mtu":["10.5.1.0"]})", R"(,"More":7)", R"(,"More":{"mtu":"7"})"})
    EXPECT_NE(fault(with(members)), "") << members;
  EXPECT_EQ(fault(std::string(kMostHealthRow + 1, ' ')), "health row: it is too long");
  EXPECT_NE(fault(std::string(kMostHealthRow / 2, '[') + std::string(kMostHealthRow / 2, ']')), "");
}

}  // namespace
}  // namespace flannel::health_row_test
