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
