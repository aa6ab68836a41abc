// SPDX-License-Identifier: Apache-2.0
#include "daemon/health_rows.h"

#include <gtest/gtest.h>

#include "registry/memory/memory_registry.h"
#include "support/chances.h"
#include "support/manual_loop.h"

namespace flannel::health_rows_test {
namespace {

using std::chrono::seconds;

constexpr const char* kPrefix = "/net-health";
constexpr const char* kOurs = "10.5.1.0-24";
constexpr const char* kTheirs = "10.5.2.0-24";

NodeId node(int number) {
  NodeId id;
  id.bytes[0] = static_cast<std::uint8_t>(number);
  return id;
}

SubnetKey key(const char* text) {
  return decode_subnet_key(text).value();
}

// This host, node 1 with 10.5.1.0/24, and node 2 with 10.5.2.0/24.
class HealthRowsTest : public ::testing::Test {
 protected:
  std::map<std::string, Record> stored() {
    std::map<std::string, Record> all;
    reader->snapshot([&all](const Result<Snapshot>& list) {
      for (const Record& record : list.value().records)
        all.emplace(record.key, record);
    });
    loop.run_until_idle();
    return all;
  }
  // The serial of our row in the store; 0: there is none.
  std::uint64_t serial() {
    const auto all = stored();
    return all.contains(kOurs) ? decode_health_row(all.at(kOurs).value).value().serial : 0;
  }
  void begin() {
    rows.changed();
    loop.advance(seconds(10));
  }
  // A row of the other host, or what a stranger wrote in its place.
  void put(const HealthRow& row, Ttl ttl = seconds(180)) {
    store->put(kPrefix, kTheirs, encode_health_row(row), ttl, loop.now());
  }
  std::size_t seen() {
    loop.advance(HealthRows::kReadEvery);
    rows.look();
    loop.run_until_idle();
    return rows.seen()->rows.size();
  }

  ManualLoop loop;
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  std::unique_ptr<Registry> reader = open_memory_registry(store, kPrefix, loop);
  std::optional<HealthRows::Own> own = HealthRows::Own{key(kOurs), {.node = node(1), .ok = 3}};
  std::string place;
  std::string prefix = kPrefix;
  int said = 0;
  HealthRows rows{{.loop = loop,
                   .random = last_chance,
                   .place = [this] { return place; },
                   .open = [this]() -> Result<std::unique_ptr<Registry>> {
                     return open_memory_registry(store, prefix, loop);
                   },
                   .own = [this] { return own; },
                   .holder = [](const SubnetKey& subnet) -> std::optional<NodeId> {
                     if (subnet == key(kOurs)) return node(1);
                     return subnet == key(kTheirs) ? std::optional(node(2)) : std::nullopt;
                   },
                   .on_state = [this] { ++said; }}};
};

TEST_F(HealthRowsTest, ARowIsWrittenOnceAMinuteAndEndsByItself) {
  begin();
  const std::uint64_t first = serial();
  ASSERT_NE(first, 0U);
  EXPECT_TRUE(stored().at(kOurs).expires());
  loop.advance(seconds(10 * 60));
  const std::uint64_t writes = serial() - first;
  EXPECT_TRUE(writes >= 9 && writes <= 11) << writes;
}

TEST_F(HealthRowsTest, AChangeOfAStateIsWrittenAfterTwentySecondsAtTheEarliest) {
  begin();
  const std::uint64_t first = serial();
  own->row.ok = 2;  // no state has changed
  rows.changed();
  loop.advance(seconds(12));
  EXPECT_EQ(serial(), first);
  own->row.others["one-way"] = {IpPrefix::parse("10.5.2.0/24").value()};
  rows.changed();
  loop.advance(seconds(1));
  EXPECT_EQ(serial(), first) << "some seconds are missing";
  loop.advance(seconds(9));
  EXPECT_EQ(serial(), first + 1);
  own->row.others.clear();
  rows.changed();
  loop.advance(seconds(13));
  EXPECT_EQ(serial(), first + 1);
  loop.advance(seconds(6));
  EXPECT_EQ(serial(), first + 2);
}

TEST_F(HealthRowsTest, ARowOfAnEarlierRunIsReplaced) {
  store->put(kPrefix, kOurs, "not ours", seconds(100), loop.now());
  begin();
  EXPECT_NE(serial(), 0U);
  EXPECT_TRUE(rows.problems().empty());
}

TEST_F(HealthRowsTest, TheRowGoesWithTheLeaseAndFollowsItToAnotherSubnet) {
  begin();
  own->subnet = key("10.5.9.0-24");
  rows.changed();
  loop.advance(seconds(60));
  EXPECT_EQ(stored().size(), 1U);
  EXPECT_TRUE(stored().contains("10.5.9.0-24"));
  own.reset();
  rows.changed();
  loop.advance(seconds(60));
  EXPECT_TRUE(stored().empty());
}

TEST_F(HealthRowsTest, AfterAStrangerTookTheRowItIsWrittenAgainWithoutAFight) {
  begin();
  store->put(kPrefix, kOurs, "stranger", seconds(100), loop.now());
  loop.advance(seconds(60 + 25));
  EXPECT_NE(serial(), 0U);
}

TEST_F(HealthRowsTest, ARefusalThatLastsIsAProblemUntilARowIsWritten) {
  store->set_reachable(false);
  begin();
  EXPECT_TRUE(rows.problems().empty()) << "the next attempt may do it";
  loop.advance(seconds(40));
  ASSERT_EQ(rows.problems().size(), 1U);
  EXPECT_EQ(rows.problems().front().kind->code, "health-row-unwritten");
  EXPECT_GT(said, 0);
  store->set_reachable(true);
  loop.advance(seconds(40));
  EXPECT_TRUE(rows.problems().empty());
  EXPECT_NE(serial(), 0U);
}

TEST_F(HealthRowsTest, NobodyReadsUnlessSomebodyLooks) {
  put({.node = node(2)});
  begin();
  EXPECT_TRUE(rows.seen()->rows.empty());
  EXPECT_EQ(seen(), 2U);
  EXPECT_EQ(rows.seen()->rows.back().row.node, node(2));
}

TEST_F(HealthRowsTest, OnlyARowOfTheHostOfThatLeaseWithAnEndCounts) {
  put({.node = node(2)});
  EXPECT_EQ(seen(), 1U);
  put({.node = node(3)});
  EXPECT_EQ(seen(), 0U) << "another node wrote it";
  put({.node = node(2)}, std::nullopt);
  EXPECT_EQ(seen(), 0U) << "it would stay for ever";
  store->put(kPrefix, kTheirs, "{}", seconds(100), loop.now());
  EXPECT_EQ(seen(), 0U);
  store->put(kPrefix, "10.5.3.0-24", encode_health_row({.node = node(2)}), seconds(100),
             loop.now());
  EXPECT_EQ(seen(), 0U) << "there is no such lease";
}

TEST_F(HealthRowsTest, ARowThatDoesNotChangeForThreeMinutesDoesNotCount) {
  put({.node = node(2)}, seconds(86400));
  EXPECT_EQ(seen(), 1U);
  loop.advance(seconds(160));
  EXPECT_EQ(seen(), 1U);
  EXPECT_EQ(seen(), 0U);
  put({.node = node(2), .serial = 1}, seconds(86400));
  EXPECT_EQ(seen(), 1U);
}

TEST_F(HealthRowsTest, WhileTheStoreIsAwayTheLastRowsStayUntilTheyAreOld) {
  put({.node = node(2)});
  EXPECT_EQ(seen(), 1U);
  store->set_reachable(false);
  EXPECT_EQ(seen(), 1U);
  EXPECT_NE(rows.seen()->why, "");
  loop.advance(seconds(180));
  EXPECT_EQ(seen(), 0U);
}

TEST_F(HealthRowsTest, ARequestIsAnsweredWhenTheRowsAreThere) {
  put({.node = node(2)});
  std::size_t known = 0;
  rows.read([&] { known = rows.seen()->rows.size(); });
  rows.read([&] { known += rows.seen()->rows.size(); });
  loop.run_until_idle();
  EXPECT_EQ(known, 2U);
}

TEST_F(HealthRowsTest, TheRowsFollowTheClusterToAnotherStore) {
  begin();
  place = "sqlite:/new.db";
  prefix = "/new-health";
  reader = open_memory_registry(store, prefix, loop);
  loop.advance(seconds(61));
  EXPECT_NE(serial(), 0U);
}

}  // namespace
}  // namespace flannel::health_rows_test
