// SPDX-License-Identifier: Apache-2.0
#include "probe/checksum_check.h"

#include <gtest/gtest.h>

namespace flannel::checksum_check_test {
namespace {

class ChecksumCheckTest : public ::testing::Test {
 protected:
  ChecksumCheckTest() { check.start_over(now); }

  // Sends the datagram that is due next, and returns how long it was waited for.
  Duration next(bool passes) {
    const Duration waited = check.due() - now;
    now = check.due();
    check.begin();
    EXPECT_EQ(check.due(), kNever);
    check.on_fate(now, passes ? ChecksumCheck::Fate::passed : ChecksumCheck::Fate::lost);
    return waited;
  }

  TimePoint now{std::chrono::hours(1)};
  ChecksumCheck check;
};

TEST_F(ChecksumCheckTest, ASoundPathIsAskedNowAndThen) {
  EXPECT_EQ(next(true), Duration{});
  EXPECT_EQ(next(true), ChecksumCheck::kEvery);
  EXPECT_FALSE(check.in_trouble());
}

TEST_F(ChecksumCheckTest, SingleLossesAreNoTrouble) {
  for (int i = 0; i < 20; ++i) {
    for (int lost = 1; lost < ChecksumCheck::kLosses; ++lost)
      next(false);
    EXPECT_FALSE(check.in_trouble());
    EXPECT_EQ(next(true), ChecksumCheck::kPause);
  }
  EXPECT_FALSE(check.in_trouble());
}

TEST_F(ChecksumCheckTest, LossesInARowAreTrouble) {
  for (int lost = 0; lost < ChecksumCheck::kLosses; ++lost)
    next(false);
  EXPECT_TRUE(check.in_trouble());
  EXPECT_EQ(next(false), ChecksumCheck::kInTrouble);
}

TEST_F(ChecksumCheckTest, TheTroubleIsOverWhenTwoPassInARow) {
  for (int lost = 0; lost < ChecksumCheck::kLosses; ++lost)
    next(false);
  next(true);
  EXPECT_TRUE(check.in_trouble());
  next(false);
  next(true);
  EXPECT_TRUE(check.in_trouble());
  EXPECT_EQ(next(true), ChecksumCheck::kPause);
  EXPECT_FALSE(check.in_trouble());
  next(false);
  EXPECT_FALSE(check.in_trouble());
}

}  // namespace
}  // namespace flannel::checksum_check_test
