// SPDX-License-Identifier: Apache-2.0
#include "base/problem.h"

#include <gtest/gtest.h>

#include "base/problem_kinds.h"

namespace flannel::problem_test {
namespace {

std::vector<Problem> unreachable(std::size_t count) {
  std::vector<Problem> all;
  for (std::size_t n = 0; n < count; ++n)
    all.push_back(make_problem(kPeerUnreachable, std::to_string(n), std::to_string(n) + " is far"));
  return all;
}

TEST(ProblemTest, TheRemedyIsThatOfTheKindForThisObject) {
  const Problem problem =
      make_problem(kOwnSubnetTaken, "10.5.7.0/24 dev tun3", "it goes first", {{"ip", "ip -6"}});
  EXPECT_EQ(problem.remedy, "ip -6 route del 10.5.7.0/24 dev tun3");
  EXPECT_EQ(sentence(problem), "host: it goes first; remedy: ip -6 route del 10.5.7.0/24 dev tun3");
  EXPECT_EQ(make_problem(kUnderlayDown, "{object}", "").remedy, "ip link set {object} up");
}

TEST(ProblemTest, TheCommandsOfARemedyAreAboutTheNetworkOfTheProblem) {
  Problem missing = make_problem(kConfigMissing, "", "none");
  name_network(missing, "green");
  EXPECT_EQ(missing.remedy, "flannelctl --network=green config set");
  Problem invalid = make_problem(kConfigInvalid, "", "{");
  name_network(invalid, "green");
  EXPECT_EQ(invalid.remedy, "correct it with \"flannelctl --network=green config set\"");
  Problem drained = make_problem(kDrained, "", "by root");
  name_network(drained, "green");
  EXPECT_EQ(drained.remedy, "flannelctl undrain") << "the host is";
  Problem down = make_problem(kUnderlayDown, "eth0", "down");
  name_network(down, "green");
  EXPECT_EQ(down.remedy, "ip link set eth0 up");
}

TEST(ProblemTest, OfOneKindTenAreNamedAndTheOthersCounted) {
  EXPECT_EQ(sentences(unreachable(10)).size(), 10U);
  EXPECT_EQ(sentences(unreachable(10))[9], sentence(unreachable(10)[9]));
  std::vector<Problem> many = unreachable(12);
  many.push_back(other_problems(kPeerUnreachable, 30));
  many.push_back(make_problem(kUnderlayDown, "eth0", "eth0 is down"));
  const auto said = sentences(many);
  ASSERT_EQ(said.size(), 12U);
  EXPECT_EQ(said[10], "peers: 32 more like these");
  EXPECT_EQ(said[11], "underlay: eth0 is down; remedy: ip link set eth0 up");
  std::vector<Problem> few = unreachable(2);
  few.push_back(other_problems(kPeerUnreachable, 5));
  EXPECT_EQ(sentences(few)[2], "peers: 5 more like these");
}

TEST(ProblemTest, ANoticeHasNoSentence) {
  EXPECT_EQ(sentences({make_problem(kRecordUnusable, "x", "x: no key")}),
            std::vector<std::string>{});
  EXPECT_EQ(sentences({make_problem(kLeaseNone, "", "none yet")}),
            std::vector<std::string>{"lease: none yet"});
}

}  // namespace
}  // namespace flannel::problem_test
