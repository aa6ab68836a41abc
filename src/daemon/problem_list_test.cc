// SPDX-License-Identifier: Apache-2.0
#include "daemon/problem_list.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel::problem_list_test {
namespace {

using std::chrono::seconds;

class ProblemListTest : public testing::Test {
 protected:
  // Returns what the log says about it.
  std::string update(std::vector<Problem> now) {
    std::string said;
    log::capture([&said](std::string_view line) { said.append(line).append("\n"); });
    list_.update(std::move(now), now_ += seconds(1));
    log::capture({});
    return said;
  }
  static Problem down(const std::string& device) {
    return make_problem(kUnderlayDown, device, device + " is down");
  }
  static Problem away(const std::string& why) { return make_problem(kStoreAway, "etcd", why); }

  ProblemList list_;
  TimePoint now_{std::chrono::hours(1)};
};

TEST_F(ProblemListTest, AProblemIsLoggedWhenItComesAndWhenItGoes) {
  EXPECT_EQ(update({down("eth0")}),
            "the underlay interface is down code=underlay-down about=eth0 why=\"eth0 is down\" "
            "remedy=\"ip link set eth0 up\"\n");
  EXPECT_EQ(update({down("eth0")}), "");
  EXPECT_EQ(update({down("eth1")}),
            "the underlay interface is down code=underlay-down about=eth1 why=\"eth1 is down\" "
            "remedy=\"ip link set eth1 up\"\n"
            "over: the underlay interface is down code=underlay-down about=eth0 after_s=2\n");
  EXPECT_NE(update({down("eth0"), down("eth1")}), "") << "it is down again";
}

TEST_F(ProblemListTest, EachHasTheTimeSinceWhenItLasts) {
  update({down("eth0")});
  const TimePoint first = now_;
  update({away("refused"), down("eth0")});
  ASSERT_EQ(list_.all().size(), 2U);
  EXPECT_EQ(list_.all()[0].since, now_);
  EXPECT_EQ(list_.all()[1].since, first);
  update({away("silent")});
  EXPECT_EQ(list_.all()[0].text, "silent");
  EXPECT_EQ(list_.all()[0].since, now_ - seconds(1)) << "the store has been away all the time";
}

TEST_F(ProblemListTest, AnotherReasonIsLoggedOnce) {
  update({away("connection refused")});
  EXPECT_TRUE(update({away("no answer")}).starts_with("still: store away")) << "that is new";
  EXPECT_EQ(update({away("connection refused")}), "");
  EXPECT_EQ(update({away("no answer")}), "");
  update({});
  EXPECT_TRUE(update({away("no answer")}).starts_with("store away")) << "it was back meanwhile";
}

TEST_F(ProblemListTest, NumbersThatChangeAreNoNews) {
  update({away("no answer in 10 s")});
  EXPECT_EQ(update({away("no answer in 20 s")}), "");
  EXPECT_EQ(list_.all()[0].text, "no answer in 20 s");
}

TEST_F(ProblemListTest, OfManyAtOnceTheFirstHaveALineAndTheOthersAreCounted) {
  std::vector<Problem> many;
  for (int n = 0; n < 30; ++n)
    many.push_back(make_problem(kPeerUnreachable, fmt::format("10.5.{}.0/24", n), "no way"));
  many.push_back(down("eth0"));
  const auto lines = [](const std::string& said) { return std::ranges::count(said, '\n'); };
  const std::string came = update(many);
  EXPECT_EQ(lines(came), 8 + 1 + 1) << came;
  EXPECT_NE(came.find("peer unreachable code=peer-unreachable more=22\n"), std::string::npos);
  const std::string went = update({});
  EXPECT_EQ(lines(went), 8 + 1 + 1) << went;
  EXPECT_NE(went.find("over: peer unreachable code=peer-unreachable more=22\n"), std::string::npos);
}

TEST_F(ProblemListTest, WhatOnlyWaitsAtTheStartIsNotLogged) {
  EXPECT_EQ(update({make_problem(kLeaseNone, "", "none yet")}), "");
  EXPECT_EQ(list_.all().size(), 1U);
  EXPECT_EQ(update({}), "");
}

TEST_F(ProblemListTest, WhatIsReportedTwiceIsOneProblem) {
  update({down("eth0"), down("eth0")});
  EXPECT_EQ(list_.all().size(), 1U);
  EXPECT_EQ(update({down("eth0"), down("eth0")}), "");
}

}  // namespace
}  // namespace flannel::problem_list_test
