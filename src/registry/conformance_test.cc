// SPDX-License-Identifier: Apache-2.0
// What core/registry.h promises, asked of every kind of store.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "support/store_test.h"

namespace flannel::conformance_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

INSTANTIATE_TEST_SUITE_P(Every, StoreTest, ::testing::ValuesIn(kStoresUnderTest),
                         [](const auto& param) { return name(param.param); });

TEST_P(StoreTest, AnEmptyStoreHasAPositionAndNothingElse) {
  const Snapshot empty = session->snapshot().value();
  EXPECT_FALSE(empty.config);
  EXPECT_TRUE(empty.records.empty());
  EXPECT_GT(empty.revision, 0);
}

TEST_P(StoreTest, ACreatedRecordIsInTheSnapshotAsItWasAnswered) {
  const WriteResult held = session->create(kOne, "one", kDay).value();
  const Snapshot all = session->snapshot().value();
  ASSERT_EQ(all.records.size(), 1U);
  EXPECT_EQ(all.records[0], record_of(kOne, "one", held));
  EXPECT_TRUE(held.expires());
  EXPECT_EQ(held.ttl, kDay);
  EXPECT_EQ(held.revision, all.revision);
}

TEST_P(StoreTest, ARecordWithoutTtlIsAReservation) {
  const WriteResult held = session->create(kOne, "one", {}).value();
  EXPECT_FALSE(held.expires());
  EXPECT_FALSE(held.ttl);
  EXPECT_FALSE(session->snapshot().value().records[0].expires());
}

TEST_P(StoreTest, TheSnapshotIsSortedByKey) {
  for (const char* key : {"10.5.20.0-24", "10.5.3.0-24", "10.5.100.0-24"}) {
    ASSERT_TRUE(session->create(key, "x", {}));
  }
  std::string keys;
  const Snapshot all = session->snapshot().value();
  for (const Record& record : all.records)
    keys += record.key + " ";
  EXPECT_EQ(keys, "10.5.100.0-24 10.5.20.0-24 10.5.3.0-24 ");
}

TEST_P(StoreTest, OfManyConcurrentCreatesOneSucceeds) {
  const auto rival = open();
  for (const Ttl ttl : {Ttl(kDay), Ttl()}) {
    const std::string key = ttl ? kOne : kTwo;
    int won = 0, exists = 0;
    const Reply<WriteResult> count = [&](const Result<WriteResult>& held) {
      if (held) ++won;
      if (!held && held.error().kind == ErrorKind::exists) ++exists;
      loop.check();
    };
    // The same value for all, so that the winner is not found by its value.
    for (int i = 0; i < 8; ++i) {
      (i % 2 == 0 ? session : rival)->registry().create_if_absent(key, "same", ttl, count);
    }
    EXPECT_TRUE(loop.until([&] { return won + exists == 8; }));
    EXPECT_EQ(won, 1);
  }
}

TEST_P(StoreTest, ReplacingKeepsTheHoldAndMovesTheRevision) {
  const WriteResult created = session->create(kOne, "one", kDay).value();
  const WriteResult replaced =
      session->replace(record_of(kOne, "one", created), "new", kDay).value();
  EXPECT_EQ(replaced.ttl, kDay);
  EXPECT_GT(replaced.revision, created.revision);
  const Snapshot all = session->snapshot().value();
  EXPECT_EQ(all.records.at(0), record_of(kOne, "new", replaced));
}

TEST_P(StoreTest, AStaleReplaceIsAConflictAndChangesNothing) {
  const WriteResult created = session->create(kOne, "one", kDay).value();
  const WriteResult replaced =
      session->replace(record_of(kOne, "one", created), "two", kDay).value();
  for (const Ttl ttl : {Ttl(kDay), Ttl()}) {
    const auto stale = session->replace(record_of(kOne, "one", created), "three", ttl);
    EXPECT_EQ(stale.error().kind, ErrorKind::conflict);
    EXPECT_NE(stale.error().text.find(kOne), std::string::npos) << stale.error().text;
  }
  EXPECT_EQ(session->snapshot().value().records.at(0), record_of(kOne, "two", replaced));
}

// As a store may hold that went back to a backup and has grown again.
TEST_P(StoreTest, AnotherRecordOfTheSameRevisionIsAConflict) {
  const WriteResult created = session->create(kOne, "one", kDay).value();
  const Record other = record_of(kOne, "another", created);
  EXPECT_EQ(session->replace(other, "two", kDay).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->replace(other, "two", {}).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->renew(other, kDay).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->release(other).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->snapshot().value().records.at(0), record_of(kOne, "one", created));
}

TEST_P(StoreTest, ARecordIsAsOldAsItsFirstWriteWhateverIsWrittenLater) {
  WatchLog watch(*session, now(), loop);
  const WriteResult first = session->create(kOne, "one", kDay).value();
  const auto created = [&] { return session->snapshot().value().records.at(0).created; };
  EXPECT_EQ(created(), first.revision);
  WriteResult held = session->replace(record_of(kOne, "one", first), "two", kDay).value();
  held = session->renew(record_of(kOne, "two", held), kDay).value();
  held = session->replace(record_of(kOne, "two", held), "three", {}).value();
  EXPECT_EQ(created(), first.revision);
  ASSERT_TRUE(watch.reports("three"));
  EXPECT_EQ(watch.created(), std::vector<Revision>(watch.created().size(), first.revision))
      << "by the watch, too";
  if (store->keeps_history()) {
    EXPECT_EQ(watch.created().size(), 3U);
  }
  ASSERT_TRUE(session->release(record_of(kOne, "three", held)));
  const WriteResult second = session->create(kOne, "one", kDay).value();
  EXPECT_EQ(created(), second.revision);
}

TEST_P(StoreTest, WhatIsGoneCannotBeReplacedRenewedOrReleased) {
  const Record record = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  ASSERT_TRUE(session->release(record));
  EXPECT_EQ(session->replace(record, "two", kDay).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->renew(record, kDay).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->release(record).error().kind, ErrorKind::conflict);
  EXPECT_TRUE(session->snapshot().value().records.empty());
}

TEST_P(StoreTest, ALeaseBecomesAReservationAndALeaseAgain) {
  WriteResult held = session->create(kOne, "one", kDay).value();
  held = session->replace(record_of(kOne, "one", held), "reserved", {}).value();
  EXPECT_FALSE(held.expires());
  EXPECT_FALSE(held.ttl);
  EXPECT_FALSE(session->snapshot().value().records.at(0).expires());
  held = session->replace(record_of(kOne, "reserved", held), "leased", kDay).value();
  EXPECT_TRUE(held.expires());
  EXPECT_EQ(held.ttl, kDay);
  EXPECT_EQ(session->snapshot().value().records.at(0), record_of(kOne, "leased", held));
}

TEST_P(StoreTest, ARenewalIsNotReported) {
  const WriteResult held = session->create(kOne, "one", kDay).value();
  const auto other = open();
  WatchLog watch(*other, now(*other), loop);
  const WriteResult renewed = session->renew(record_of(kOne, "one", held), kDay).value();
  EXPECT_EQ(renewed.revision, held.revision);
  EXPECT_EQ(renewed.ttl, kDay);
  ASSERT_TRUE(session->create(kTwo, "two", {}));
  EXPECT_TRUE(watch.reports("put " + kTwo));
  EXPECT_EQ(watch.text(), "put " + kTwo + "=two\n|\n");
}

TEST_P(StoreTest, ARecordOfAnEarlierRunTakesTheTtlOfItsRenewal) {
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay / 2).value());
  EXPECT_EQ(open()->renew(one, kDay)->ttl, kDay);
}

TEST_P(StoreTest, AStaleRenewIsAConflict) {
  const WriteResult held = session->create(kOne, "one", kDay).value();
  ASSERT_TRUE(session->replace(record_of(kOne, "one", held), "two", kDay));
  EXPECT_EQ(session->renew(record_of(kOne, "one", held), kDay).error().kind, ErrorKind::conflict);
}

TEST_P(StoreTest, RenewingAReservationLeavesItOne) {
  const WriteResult held = session->create(kOne, "one", {}).value();
  const WriteResult renewed = session->renew(record_of(kOne, "one", held), kDay).value();
  EXPECT_EQ(renewed.revision, held.revision);
  EXPECT_FALSE(renewed.expires());
  EXPECT_FALSE(renewed.ttl);
}

TEST_P(StoreTest, AStaleReleaseIsAConflict) {
  const WriteResult held = session->create(kOne, "one", kDay).value();
  ASSERT_TRUE(session->replace(record_of(kOne, "one", held), "two", kDay));
  EXPECT_EQ(session->release(record_of(kOne, "one", held)).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->snapshot().value().records.size(), 1U);
}

TEST_P(StoreTest, TheConfigurationIsWrittenOnlyOverWhatWasSeen) {
  const Revision first = session->write_config("{1}", 0).value();
  EXPECT_EQ(session->write_config("{2}", 0).error().kind, ErrorKind::conflict);
  const Snapshot all = session->snapshot().value();
  EXPECT_EQ(all.config, (ConfigRecord{"{1}", first}));
  const Revision second = session->write_config("{2}", first).value();
  EXPECT_EQ(session->write_config("{3}", first).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->snapshot().value().config, (ConfigRecord{"{2}", second}));
}

// A store without a history reports the last state of each key, as many changes as they may be.
TEST_P(StoreTest, AWatchReportsHowEachKeyIsInTheEnd) {
  const auto other = open();
  WriteResult held = session->create(kOne, "one", kDay).value();
  WatchLog watch(*other, now(*other), loop);
  held = session->replace(record_of(kOne, "one", held), "two", kDay).value();
  ASSERT_TRUE(session->write_config("{}", 0));
  ASSERT_TRUE(session->create(kTwo, "three", {}));
  ASSERT_TRUE(watch.reports("put " + kTwo));
  EXPECT_EQ(watch.count("put " + kOne + "=two\n"), 1);
  EXPECT_EQ(watch.count("config {}\n"), 1);
  ASSERT_TRUE(session->release(record_of(kOne, "two", held)));
  ASSERT_TRUE(watch.reports("gone " + kOne));
  EXPECT_EQ(watch.reached(), now());
}

TEST_P(StoreTest, AWatchReportsAllLaterChangesInOrder) {
  const Revision before = now();
  WriteResult held = session->create(kOne, "one", kDay).value();
  const auto other = open();
  WatchLog watch(*other, before, loop);  // from the past
  if (!store->keeps_history()) {
    ASSERT_TRUE(watch.reports("position lost"));
    EXPECT_EQ(watch.text(), "position lost\n");
    return;
  }
  ASSERT_TRUE(watch.reports("put"));
  held = session->replace(record_of(kOne, "one", held), "two", kDay).value();
  ASSERT_TRUE(session->write_config("{}", 0));
  ASSERT_TRUE(session->release(record_of(kOne, "two", held)));
  ASSERT_TRUE(watch.reports("gone"));
  EXPECT_EQ(watch.text(), "put " + kOne + "=one\n|\nput " + kOne + "=two\n|\nconfig {}\n|\ngone " +
                              kOne + "\n|\n");
  EXPECT_EQ(watch.reached(), now());
}

TEST_P(StoreTest, ASnapshotAndAWatchFromItLeaveNoGap) {
  const auto writer = open();
  int written = 0;
  const Reply<WriteResult> count = [&](const Result<WriteResult>& held) {
    EXPECT_TRUE(held);
    ++written;
    loop.check();
  };
  for (int i = 0; i < 200; ++i) {
    writer->registry().create_if_absent(fmt::format("10.5.{}.0-24", i), "x", {}, count);
  }
  const Snapshot middle = session->snapshot().value();
  WatchLog watch(*session, middle.revision, loop);
  ASSERT_TRUE(loop.until([&] { return written == 200; }));
  const int rest = 200 - static_cast<int>(middle.records.size());
  ASSERT_TRUE(watch.reports("put", rest));
  for (const Record& record : middle.records) {
    EXPECT_EQ(watch.count("put " + record.key), 0) << "the snapshot had this record";
  }
  EXPECT_EQ(watch.reached(), now());
}

TEST_P(StoreTest, AWatchResumesWhereAnotherStopped) {
  WatchLog first(*session, now(), loop);
  ASSERT_TRUE(session->create(kOne, "one", {}));
  ASSERT_TRUE(first.reports("put"));
  first.drop();
  ASSERT_TRUE(session->create(kTwo, "two", {}));
  WatchLog second(*session, first.reached(), loop);
  ASSERT_TRUE(second.reports("put"));
  EXPECT_EQ(second.text(), "put " + kTwo + "=two\n|\n");
  EXPECT_EQ(first.count("put"), 1) << "a dropped watch is silent";
}

TEST_P(StoreTest, AnExpiredRecordIsSeenGoing) {
  const auto other = open();
  WatchLog watch(*other, now(*other), loop);
  const WriteResult held = session->create(kOne, "one", store->shortest_ttl()).value();
  session->close();  // expiry does not depend on the daemon that died
  ASSERT_TRUE(watch.reports("gone " + kOne));
  EXPECT_TRUE(other->snapshot().value().records.empty());
  EXPECT_EQ(other->renew(record_of(kOne, "one", held), kDay).error().kind, ErrorKind::conflict);
  EXPECT_EQ(other->replace(record_of(kOne, "one", held), "x", kDay).error().kind,
            ErrorKind::conflict);
  EXPECT_TRUE(other->create(kOne, "next", kDay));
}

TEST_P(StoreTest, ARenewedRecordOutlivesItsFirstTtl) {
  const seconds ttl = store->shortest_ttl();
  const Record kept = record_of(kOne, "one", session->create(kOne, "one", ttl).value());
  ASSERT_TRUE(session->create(kTwo, "two", ttl));
  WatchLog watch(*session, now(), loop);
  while (watch.count("gone") == 0) {
    ASSERT_TRUE(session->renew(kept, ttl));
    loop.pass(milliseconds(200));
  }
  EXPECT_EQ(watch.text(), "gone " + kTwo + "\n|\n");
  ASSERT_TRUE(watch.reports("gone " + kOne)) << "and goes when it is not renewed any more";
}

TEST_P(StoreTest, AReservationMadeOfALeaseDoesNotExpireWithIt) {
  const seconds ttl = store->shortest_ttl();
  const WriteResult held = session->create(kOne, "one", ttl).value();
  ASSERT_TRUE(session->replace(record_of(kOne, "one", held), "kept", {}));
  ASSERT_TRUE(session->create(kTwo, "two", ttl));
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(watch.reports("gone " + kTwo));
  EXPECT_EQ(session->snapshot().value().records.at(0).value, "kept");
}

TEST_P(StoreTest, AWatchFromForgottenHistoryLosesItsPosition) {
  const Revision before = now();
  ASSERT_TRUE(session->create(kOne, "one", {}));
  ASSERT_TRUE(session->create(kTwo, "two", {}));
  store->compact();
  const auto other = open();
  WatchLog old(*other, before, loop);
  ASSERT_TRUE(old.reports("position lost"));
  EXPECT_EQ(old.text(), "position lost\n");
  WatchLog current(*session, now(), loop);
  ASSERT_TRUE(session->write_config("{}", 0));
  EXPECT_TRUE(current.reports("config {}"));
}

TEST_P(StoreTest, AWatchFromARevisionThatNeverWasLosesItsPosition) {
  WatchLog watch(*session, now() + 1000, loop);
  EXPECT_TRUE(watch.reports("position lost"));
}

TEST_P(StoreTest, NetworksInOneStoreDoNotSeeEachOther) {
  const auto other = open("/other/network");
  const auto nested = open("/coreos.com/network/nested");
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(other->create(kOne, "other", kDay));
  ASSERT_TRUE(other->write_config("{other}", 0));
  ASSERT_TRUE(nested->create(kOne, "nested", {}));
  ASSERT_TRUE(nested->write_config("{nested}", 0));
  ASSERT_TRUE(session->create(kTwo, "mine", {}));
  ASSERT_TRUE(watch.reports("put"));
  EXPECT_EQ(watch.text(), "put " + kTwo + "=mine\n|\n");
  EXPECT_EQ(session->snapshot().value().records.size(), 1U);
  EXPECT_FALSE(session->snapshot().value().config);
}

TEST_P(StoreTest, NoCallbackRunsAfterTheRegistryIsDestroyed) {
  bool called = false;
  session->registry().snapshot([&](const Result<Snapshot>&) { called = true; });
  session->registry().create_if_absent(kOne, "one", kDay,
                                       [&](const Result<WriteResult>&) { called = true; });
  session->close();
  const auto other = open();
  ASSERT_TRUE(other->snapshot());
  EXPECT_FALSE(called);
}

TEST_P(StoreTest, ACallbackMayCloseTheRegistry) {
  bool closed = false;
  session->registry().snapshot([&](const Result<Snapshot>&) {
    session->close();
    closed = true;
    loop.check();
  });
  EXPECT_TRUE(loop.until([&] { return closed; }));
}

TEST_P(StoreTest, AListenerMayDropItsWatch) {
  WatchHandle watch;
  int calls = 0;
  watch =
      session->registry().watch(now(), {.on_changes =
                                            [&](const std::vector<Change>& changes, Revision) {
                                              if (changes.empty()) return;
                                              ++calls;
                                              watch.reset();
                                              loop.check();
                                            },
                                        .on_position_lost = [] { ADD_FAILURE(); },
                                        .on_disconnected = [](const Error&) { ADD_FAILURE(); }});
  ASSERT_TRUE(session->create(kOne, "one", {}));
  ASSERT_TRUE(session->create(kTwo, "two", {}));
  EXPECT_TRUE(loop.until([&] { return calls == 1; }));
  ASSERT_TRUE(session->snapshot());
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace flannel::conformance_test
