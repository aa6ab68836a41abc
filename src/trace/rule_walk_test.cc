// SPDX-License-Identifier: Apache-2.0
#include "trace/rule_walk.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flannel::rule_walk_test {
namespace {

using namespace trace;

Rule rule(Answer matches, Action action, std::string target = "") {
  return {.text = fmt::format("rule {}", static_cast<int>(action)),
          .matches = matches,
          .action = action,
          .target = std::move(target)};
}

// A table whose chain "forward" the kernel calls.
Table table(std::map<std::string, Chain> chains, int priority = 0, std::string name = "t") {
  return {.name = std::move(name),
          .chains = std::move(chains),
          .bases = {{Hook::forward, priority, "forward"}}};
}

// "t, chain forward: policy drop", with a question mark if it is not certain; one a line.
std::string drops(const std::vector<Table>& tables) {
  std::string all;
  for (const Drop& drop : find_drops(tables)) {
    all += fmt::format("{}{}: {}", all.empty() ? "" : "\n", drop.where, drop.rule);
    if (!drop.is_certain) all += "?";
  }
  return all;
}

constexpr auto kYes = Answer::yes;
constexpr auto kNo = Answer::no;
constexpr auto kUnknown = Answer::unknown;

TEST(RuleWalkTest, TheFirstRuleThatMatchesDecides) {
  EXPECT_EQ(
      drops({table(
          {{"forward",
            {{rule(kNo, Action::drop), rule(kYes, Action::accept), rule(kYes, Action::drop)}}}})}),
      "");
  EXPECT_EQ(
      drops({table({{"forward", {{rule(kYes, Action::pass_on), rule(kYes, Action::drop)}}}})}),
      "t, chain forward: rule 2");
}

TEST(RuleWalkTest, ThePolicyDropsWhatReachesTheEnd) {
  EXPECT_EQ(drops({table({{"forward", {{rule(kNo, Action::accept)}, true}}})}),
            "t, chain forward: policy drop");
  EXPECT_EQ(drops({table({{"forward", {{rule(kYes, Action::leave)}, true}}})}),
            "t, chain forward: policy drop");
  EXPECT_EQ(drops({table({{"forward", {{rule(kYes, Action::accept)}, true}}})}), "");
}

TEST(RuleWalkTest, AJumpComesBackAndAGotoDoesNot) {
  const Chain nothing{{rule(kYes, Action::leave), rule(kYes, Action::drop)}};
  const Chain jumps{{rule(kYes, Action::jump, "sub"), rule(kYes, Action::drop)}};
  const Chain goes{{rule(kYes, Action::go_to, "sub"), rule(kYes, Action::drop)}};
  EXPECT_EQ(drops({table({{"forward", jumps}, {"sub", nothing}})}), "t, chain forward: rule 2");
  EXPECT_EQ(drops({table({{"forward", goes}, {"sub", nothing}})}), "");
  EXPECT_EQ(drops({table({{"forward", jumps}, {"sub", {{rule(kYes, Action::accept)}}}})}), "");
}

TEST(RuleWalkTest, AnAcceptEndsOneChainOfAHookAndADropAll) {
  const Chain accepts{{rule(kYes, Action::accept)}};
  const Chain refuses{{rule(kYes, Action::drop)}};
  EXPECT_EQ(drops({table({{"forward", refuses}}, 10, "late"), table({{"forward", accepts}}, 0)}),
            "late, chain forward: rule 2");
  EXPECT_EQ(drops({table({{"forward", refuses}}, 10, "late"), table({{"forward", refuses}}, 0)}),
            "t, chain forward: rule 2");
}

TEST(RuleWalkTest, AnUnknownAnswerMakesADropUncertain) {
  EXPECT_EQ(drops({table({{"forward", {{rule(kUnknown, Action::drop)}, true}}})}),
            "t, chain forward: rule 2?\nt, chain forward: policy drop");
  EXPECT_EQ(drops({table({{"forward", {{rule(kUnknown, Action::accept)}, true}}})}),
            "t, chain forward: policy drop?");
  EXPECT_EQ(drops({table({{"forward", {{rule(kUnknown, Action::jump, "sub")}, true}},
                          {"sub", {{rule(kYes, Action::accept)}}}})}),
            "t, chain forward: policy drop?");
}

TEST(RuleWalkTest, WhatAnUnknownJumpDoesNotEndIsAsSureAsBefore) {
  EXPECT_EQ(drops({table({{"forward", {{rule(kUnknown, Action::jump, "sub")}, true}},
                          {"sub", {{rule(kYes, Action::leave)}}}})}),
            "t, chain forward: policy drop");
}

TEST(RuleWalkTest, AChainThatIsPerhapsLeftDecidesNothingForSure) {
  const Chain sub{{rule(kUnknown, Action::leave), rule(kYes, Action::accept)}};
  EXPECT_EQ(drops({table({{"forward", {{rule(kYes, Action::jump, "sub")}, true}}, {"sub", sub}})}),
            "t, chain forward: policy drop?");
}

TEST(RuleWalkTest, ACircleEnds) {
  EXPECT_EQ(drops({table({{"forward", {{rule(kYes, Action::jump, "forward")}, true}}})}),
            "t, chain forward: policy drop");
}

TEST(RuleWalkTest, ChainsThatCallEachOtherAgainAndAgainEnd) {
  const std::vector<Rule> jumps(20, rule(kUnknown, Action::jump, "forward"));
  EXPECT_EQ(drops({table({{"forward", {jumps, true}}})}), "t, chain forward: policy drop?");
}

}  // namespace
}  // namespace flannel::rule_walk_test
