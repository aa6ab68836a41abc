// SPDX-License-Identifier: Apache-2.0
// By what a store repeats, a follower sees that it still has the history that it had.
#include <gtest/gtest.h>

#include <string>

#include "core/known_history.h"
#include "support/store_test.h"

namespace flannel::conformance_history_test {
namespace {

using Verdict = HistoryProof::Verdict;

class StoreHistoryTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(session->snapshot());
    if (!session->registry().repeats_history()) {
      EXPECT_FALSE(store->keeps_history());
      GTEST_SKIP() << name(GetParam()) << " repeats no history";
    }
  }
  // Two records, one of which is renewed and one gone, and a configuration.
  void write() {
    WriteResult held = session->create(kOne, "one", kDay).value();
    held = session->replace(record_of(kOne, "one", held), "two", kDay).value();
    ASSERT_TRUE(session->write_config("{}", 0));
    const WriteResult other = session->create(kTwo, "other", kDay).value();
    ASSERT_TRUE(session->release(record_of(kTwo, "other", other)));
    ASSERT_TRUE(session->renew(record_of(kOne, "two", held), kDay));
  }
  // The history that a watch has reported while that was written.
  KnownHistory known_by_watch() {
    WatchLog first(*session, now(), loop);
    write();
    EXPECT_TRUE(first.reports("gone " + kTwo));
    KnownHistory known;
    for (const Change& change : first.changes())
      known.add(change);
    return known;
  }
  // What a watch of another process proves.
  Verdict proven_by(HistoryProof proof, Revision from, std::size_t changes) {
    const auto other = open();
    EXPECT_TRUE(other->snapshot());
    WatchLog watch(*other, from, loop);
    EXPECT_TRUE(loop.until([&] { return watch.changes().size() >= changes; }));
    EXPECT_TRUE(proof.take(watch.changes()).empty()) << "there is no news";
    return proof.verdict();
  }
};

INSTANTIATE_TEST_SUITE_P(Every, StoreHistoryTest, ::testing::ValuesIn(kStoresUnderTest),
                         [](const auto& param) { return name(param.param); });

TEST_P(StoreHistoryTest, AWatchFromBeforeTheLastChangesRepeatsThemAsTheyWere) {
  KnownHistory known = known_by_watch();
  EXPECT_EQ(known.changes().size(), 5U);
  EXPECT_EQ(proven_by(HistoryProof::after_break(known), known.before(), 5), Verdict::proven);
  known.keep_last_half();
  EXPECT_EQ(proven_by(HistoryProof::after_break(known), known.before(), 2), Verdict::proven);
}

TEST_P(StoreHistoryTest, AWatchFromBeforeTheLastChangesOfAListRepeatsThem) {
  write();
  const Snapshot listed = session->snapshot().value();
  KnownHistory known;
  known.begin(listed);
  ASSERT_EQ(known.changes().size(), 2U) << "of what is there: the record and the configuration";
  HistoryProof proof = HistoryProof::after_list(known, listed.revision);
  EXPECT_EQ(proven_by(std::move(proof), known.before(), 4), Verdict::proven);
}

// In etcd it is there, if it is a record that lives; other stores have forgotten it.
TEST_P(StoreHistoryTest, WhatIsForgottenIsNotRepeatedAsSomethingElse) {
  const KnownHistory known = known_by_watch();
  store->compact();
  const auto other = open();
  ASSERT_TRUE(other->snapshot());
  WatchLog watch(*other, known.before(), loop);
  ASSERT_TRUE(watch.reports("position lost"));
  EXPECT_TRUE(watch.changes().empty());
}

}  // namespace
}  // namespace flannel::conformance_history_test
