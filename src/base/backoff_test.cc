// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/chances.h"

namespace flannel::backoff_test {
namespace {

using std::chrono::milliseconds;

TEST(BackoffTest, PausesDoubleUpToTheLongest) {
  Backoff backoff(milliseconds(100), milliseconds(500));
  EXPECT_EQ(backoff.last(), Duration::zero());
  for (const int expected : {100, 200, 400, 500, 500}) {
    EXPECT_EQ(backoff.next(), milliseconds(expected));
    EXPECT_EQ(backoff.last(), milliseconds(expected));
  }
}

TEST(BackoffTest, ResetBeginsAgainWithTheShortest) {
  Backoff backoff(milliseconds(100), milliseconds(500));
  backoff.next();
  backoff.next();
  backoff.reset();
  EXPECT_EQ(backoff.last(), Duration::zero());
  EXPECT_EQ(backoff.next(), milliseconds(100));
}

TEST(BackoffTest, OnlyTheSecondHalfOfARandomPauseIsRandom) {
  Backoff longest(milliseconds(100), milliseconds(500));
  Backoff least(milliseconds(100), milliseconds(500));
  for (const int expected : {100, 200, 400, 500, 500}) {
    EXPECT_EQ(longest.next(last_chance), milliseconds(expected));
    EXPECT_EQ(least.next([](std::uint64_t) { return 0; }), milliseconds(expected) / 2);
    EXPECT_EQ(least.last(), milliseconds(expected)) << "the next pause does not depend on chance";
  }
}

}  // namespace
}  // namespace flannel::backoff_test
