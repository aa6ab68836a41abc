// SPDX-License-Identifier: Apache-2.0
// What core/registry.h promises of keys and values, whatever they are, asked of every kind of
// store.
#include "support/store_test.h"

namespace flannel::conformance_texts_test {
namespace {

class StoreTextsTest : public StoreTest {};

INSTANTIATE_TEST_SUITE_P(Every, StoreTextsTest, ::testing::ValuesIn(kStoresUnderTest),
                         [](const auto& param) { return name(param.param); });

// Those that no text can hold, too.
TEST_P(StoreTextsTest, EveryValueCanBeReplaced) {
  for (const std::string value : {"", "=&%+ \n", "\xff\xfe", "\xef\xbf\xbd"}) {
    WriteResult held = session->create(kOne, value, kDay).value();
    const Record seen = session->snapshot().value().records.at(0);
    held = session->replace(seen, "new", kDay).value();
    ASSERT_TRUE(session->release(record_of(kOne, "new", held)));
  }
}

TEST_P(StoreTextsTest, StrangeKeysArePassedOnAsTheyAre) {
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(session->create("not/a subnet", "not JSON", {}));
  ASSERT_TRUE(watch.reports("put not/a subnet=\n")) << "what it says concerns nobody";
  const Record record = session->snapshot().value().records.at(0);
  EXPECT_EQ(record.key, "not/a subnet");
  EXPECT_TRUE(session->release(record));
}

// A host changes from one form to the other with a record of each, on one IPv4 or IPv6 subnet.
TEST_P(StoreTextsTest, TheKeysOfEachFamilyAndOfBothAreThreeRecords) {
  const std::string keys[] = {"0.0.0.0-0&fd00:0:0:1::-64", "10.5.1.0-24",
                              "10.5.1.0-24&fd00:0:0:1::-64"};
  WatchLog watch(*session, now(), loop);
  for (const std::string& key : keys)
    ASSERT_TRUE(session->create(key, "first", kDay)) << key;
  for (const std::string& key : keys)
    EXPECT_TRUE(watch.reports("put " + key + "=first\n")) << key;
  for (const std::string& key : keys) {
    EXPECT_EQ(session->create(key, "again", kDay).error().kind, ErrorKind::exists) << key;
    Record seen;
    const Snapshot there = session->snapshot().value();
    for (const Record& record : there.records) {
      if (record.key == key) seen = record;
    }
    EXPECT_EQ(seen.value, "first") << key;
    const WriteResult held = session->replace(seen, "second", kDay).value();
    const Record now_there = record_of(key, "second", held);
    EXPECT_TRUE(session->renew(now_there, kDay)) << key;
    EXPECT_EQ(session->release(seen).error().kind, ErrorKind::conflict) << key;
  }
  const Snapshot all = session->snapshot().value();
  ASSERT_EQ(all.records.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(all.records[i].key, keys[i]);
    EXPECT_EQ(all.records[i].value, "second");
    ASSERT_TRUE(session->release(all.records[i])) << keys[i];
    EXPECT_EQ(session->snapshot().value().records.size(), 2 - i);
  }
}

TEST_P(StoreTextsTest, ATooLongValueHasItsSizeAndCanBeReplaced) {
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(session->create(kOne, std::string(100000, 'x'), kDay));
  ASSERT_TRUE(watch.reports("put " + kOne + "=\n"));
  const Record seen = session->snapshot().value().records.at(0);
  EXPECT_EQ(seen.value, "");
  EXPECT_EQ(seen.left_out, 100000U);
  Record stale = seen;
  --stale.revision;
  EXPECT_EQ(session->replace(stale, "new", kDay).error().kind, ErrorKind::conflict);
  const WriteResult held = session->replace(seen, "new", kDay).value();
  EXPECT_TRUE(session->release(record_of(kOne, "new", held)));
}

TEST_P(StoreTextsTest, ValuesOfAnyBytesSurvive) {
  std::string bytes = std::string("a\0b", 3) + "'\"\n&=%+ \u00e4";
  if (store->keeps_bytes()) bytes += "\xff\xfe";
  ASSERT_TRUE(session->create(kOne, bytes, {}));
  ASSERT_TRUE(session->write_config(bytes, 0));
  const Snapshot all = session->snapshot().value();
  EXPECT_EQ(all.records.at(0).value, bytes);
  EXPECT_EQ(all.config->text, bytes);
}

}  // namespace
}  // namespace flannel::conformance_texts_test
