// SPDX-License-Identifier: Apache-2.0
#include "probe/mtu_search.h"

#include <gtest/gtest.h>

namespace flannel::mtu_search_test {
namespace {

using std::chrono::seconds;

// A path that passes packets of these sizes, and the checks of it.
struct Path {
  std::uint16_t to = 1450;
  std::uint16_t back = 1450;
  TimePoint now{seconds(1000)};
  int checks = 0;

  // Makes checks until the next one is due later than a pause between checks.
  void run(MtuSearch& search) {
    now = std::max(now, search.due());
    do {
      const ProbeSizes sizes = search.begin();
      EXPECT_EQ(search.due(), kNever) << "one is under way";
      ++checks;
      search.on_fate(now, sizes.to <= to && sizes.back <= back);
      now = std::max(now, search.due() - now < seconds(1) ? search.due() : now);
    } while (search.due() <= now);
  }
};

TEST(MtuSearchTest, AFullPacketBothWaysIsEnough) {
  MtuSearch search(60, 1450, false);
  Path path;
  path.run(search);
  EXPECT_EQ(path.checks, 1);
  EXPECT_FALSE(search.in_trouble());
  EXPECT_EQ(search.to(), 1450);
  EXPECT_EQ(search.back(), 1450);
  EXPECT_EQ(search.due(), path.now + MtuSearch::kCheckEvery);
}

TEST(MtuSearchTest, OneLossIsNoTrouble) {
  MtuSearch search(60, 1450, false);
  const TimePoint now{seconds(1)};
  search.begin();
  search.on_fate(now, false);
  search.begin();
  search.on_fate(now, true);
  EXPECT_FALSE(search.in_trouble());
}

TEST(MtuSearchTest, FindsWhatPassesInEachDirection) {
  for (const auto& [to, back] :
       {std::pair{1300, 1200}, {1200, 1300}, {1449, 1450}, {1450, 60}, {60, 60}}) {
    MtuSearch search(60, 1450, false);
    Path path{.to = static_cast<std::uint16_t>(to), .back = static_cast<std::uint16_t>(back)};
    path.run(search);
    EXPECT_TRUE(search.in_trouble());
    EXPECT_EQ(search.to(), to);
    EXPECT_EQ(search.back(), std::min(to, back)) << "an answer is never longer than its request";
    EXPECT_LT(path.checks, 90);
    EXPECT_EQ(search.due(), path.now + MtuSearch::kCheckInTrouble);
  }
}

TEST(MtuSearchTest, AnEchoIsAsLongBothWays) {
  MtuSearch search(60, 1450, true);
  Path path{.to = 1400, .back = 1350};
  path.run(search);
  EXPECT_EQ(search.to(), 1350);
  EXPECT_EQ(search.back(), 1350);
}

TEST(MtuSearchTest, TroubleIsOverAfterTwoFullPackets) {
  MtuSearch search(60, 1450, false);
  Path path{.to = 1300};
  path.run(search);
  path.to = 1450;
  path.now = search.due();
  search.begin();
  search.on_fate(path.now, true);
  EXPECT_TRUE(search.in_trouble());
  search.begin();
  search.on_fate(path.now, true);
  EXPECT_FALSE(search.in_trouble());
  EXPECT_EQ(search.to(), 1450);
}

}  // namespace
}  // namespace flannel::mtu_search_test
