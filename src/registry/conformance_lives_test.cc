// SPDX-License-Identifier: Apache-2.0
// What core/store_feed.h promises of the remaining lives of records, asked of every kind of store.
#include <fmt/format.h>

#include "support/store_test.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class StoreLivesTest : public StoreTest {
 protected:
  RemainingLives lives() {
    return session->remaining_lives(session->snapshot().value().records).value();
  }
};

INSTANTIATE_TEST_SUITE_P(Every, StoreLivesTest, ::testing::ValuesIn(kStoresUnderTest),
                         [](const auto& param) { return name(param.param); });

TEST_P(StoreLivesTest, ALeaseHasTheRestOfItsLife) {
  const WriteResult held = session->create(kOne, "one", seconds(60)).value();
  loop.pass(milliseconds(1500));
  RemainingLives now = lives();
  ASSERT_TRUE(now.left.contains(kOne));
  EXPECT_EQ(now.exact, store->knows_remaining_lives());
  if (store->knows_remaining_lives()) {
    EXPECT_LT(now.left[kOne], seconds(60));
    EXPECT_GT(now.left[kOne], seconds(0));
  } else {
    EXPECT_EQ(now.left[kOne], seconds(60));
  }
  ASSERT_TRUE(open()->renew(record_of(kOne, "one", held), kDay));
  now = lives();
  EXPECT_GT(now.left[kOne], seconds(60));
  EXPECT_LE(now.left[kOne], kDay);
}

TEST_P(StoreLivesTest, ALeaseHasTheLifeThatItsLastRenewalGave) {
  const auto granted = [&](seconds life) {
    return store->knows_granted_lives() ? std::map<std::string, seconds>{{kOne, life}}
                                        : std::map<std::string, seconds>();
  };
  const WriteResult held = session->create(kOne, "one", seconds(60)).value();
  loop.pass(milliseconds(1500));
  EXPECT_EQ(lives().granted, granted(seconds(60)));
  ASSERT_TRUE(open()->renew(record_of(kOne, "one", held), kDay));
  EXPECT_EQ(lives().granted, granted(kDay));
}

TEST_P(StoreLivesTest, AReservationHasNone) {
  EXPECT_TRUE(lives().left.empty()) << "of an empty store";
  ASSERT_TRUE(session->create(kOne, "one", {}));
  EXPECT_TRUE(lives().left.empty());
  EXPECT_TRUE(lives().granted.empty());
}

TEST_P(StoreLivesTest, WhatHasExpiredDoesNotLiveOn) {
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(session->create(kOne, "one", store->shortest_ttl()));
  const auto seen = session->snapshot().value().records;
  ASSERT_EQ(seen.size(), 1U);
  ASSERT_TRUE(watch.reports("gone " + kOne));
  const RemainingLives gone = session->remaining_lives(seen).value();
  for (const auto& [key, left] : gone.left)
    EXPECT_EQ(left, seconds(0)) << key;
}

TEST_P(StoreLivesTest, EachOfManyLeasesHasItsOwn) {
  for (int i = 1; i <= 40; ++i) {
    const seconds ttl = seconds(1000 * i);
    ASSERT_TRUE(session->create(fmt::format("10.5.{}.0-24", i), "x", ttl));
  }
  const RemainingLives now = lives();
  EXPECT_EQ(now.left.size(), 40U);
  for (int i = 1; i <= 40; ++i) {
    const seconds left = now.left.at(fmt::format("10.5.{}.0-24", i));
    EXPECT_LE(left, seconds(1000 * i));
    EXPECT_GT(left, seconds(1000 * (i - 1)));
  }
}

}  // namespace
}  // namespace flannel
