// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/watch_reader.h"

#include <gtest/gtest.h>

namespace flannel::watch_reader_test {
namespace {

namespace pb = etcdserverpb;

constexpr std::uint64_t kCluster = 7;

// What the message say, as one text.
std::string text(const WatchMessage& message) {
  if (std::holds_alternative<WatchNothing>(message)) return "nothing";
  if (std::holds_alternative<WatchPositionLost>(message)) return "position lost";
  if (const auto* created = std::get_if<WatchCreated>(&message)) {
    return "created at " + std::to_string(created->revision);
  }
  if (const auto* cancelled = std::get_if<WatchCancelled>(&message)) {
    return std::string(to_string(cancelled->error.kind)) + ": " + cancelled->error.text;
  }
  const auto& changes = std::get<WatchChanges>(message);
  std::string all;
  for (const Change& change : changes.changes) {
    if (const auto* put = std::get_if<RecordPut>(&change)) {
      all += "put " + put->record.key + "=" + put->record.value + " ";
    } else if (const auto* gone = std::get_if<RecordGone>(&change)) {
      all += "gone " + gone->key + " ";
    } else if (const auto* config = std::get_if<ConfigPut>(&change)) {
      all += "config " + config->config.text + " ";
    } else {
      all += "no config ";
    }
  }
  return all + "@" + std::to_string(changes.revision);
}

class WatchReaderTest : public ::testing::Test {
 protected:
  static pb::WatchResponse message(Revision revision) {
    pb::WatchResponse response;
    response.mutable_header()->set_cluster_id(kCluster);
    response.mutable_header()->set_revision(revision);
    return response;
  }

  static void put(pb::WatchResponse& response, const std::string& key, const std::string& value,
                  Revision revision) {
    pb::KeyValue* kv = response.add_events()->mutable_kv();
    kv->set_key(key);
    kv->set_value(value);
    kv->set_mod_revision(revision);
  }

  static void erase(pb::WatchResponse& response, const std::string& key, Revision revision) {
    put(response, key, "", revision);
    response.mutable_events(response.events_size() - 1)->set_type(pb::Event::DELETE);
  }

  WatchReader reader{StoreKeys("/net"), WatchRange::all, 10, kCluster};
};

TEST_F(WatchReaderTest, AsksForEverythingAfterItsPositionInOneRange) {
  const auto request = reader.request().create_request();
  EXPECT_EQ(request.start_revision(), 11);
  EXPECT_EQ(request.key(), "/net/config");
  EXPECT_EQ(request.range_end(), "/net/subnets0");
  EXPECT_LE(request.key(), "/net/config");
  EXPECT_GT(request.range_end(), "/net/subnets/255.255.255.0-24");
}

TEST_F(WatchReaderTest, SortsKeysIntoWhatTheyAre) {
  auto response = message(99);
  put(response, "/net/config", "{}", 11);
  put(response, "/net/subnets/10.5.1.0-24", "one", 11);
  put(response, "/net/subnets-lock", "nobody's", 11);
  put(response, "/net/configs", "nobody's", 12);
  erase(response, "/net/subnets/10.5.2.0-24", 12);
  erase(response, "/net/config", 13);
  EXPECT_EQ(text(reader.read(response)),
            "config {} put 10.5.1.0-24=one gone 10.5.2.0-24 no config @13")
      << "and resumes after the reported changes, not after the header's revision";
}

TEST_F(WatchReaderTest, RecordsCarryTheirLease) {
  auto response = message(11);
  put(response, "/net/subnets/10.5.1.0-24", "one", 11);
  response.mutable_events(0)->mutable_kv()->set_lease(77);
  const auto message = reader.read(response);
  const auto& change = std::get<WatchChanges>(message).changes.at(0);
  EXPECT_EQ(std::get<RecordPut>(change).record, (Record{"10.5.1.0-24", "one", 11, "77"}));
}

TEST_F(WatchReaderTest, PutsFragmentsTogether) {
  auto first = message(99);
  first.set_fragment(true);
  put(first, "/net/subnets/10.5.1.0-24", "1", 11);
  auto second = message(99);
  put(second, "/net/subnets/10.5.2.0-24", "2", 11);
  EXPECT_EQ(text(reader.read(first)), "nothing");
  EXPECT_EQ(text(reader.read(second)), "put 10.5.1.0-24=1 put 10.5.2.0-24=2 @11");
}

TEST_F(WatchReaderTest, StrangeKeysAloneMoveThePosition) {
  auto response = message(99);
  put(response, "/net/elsewhere", "", 12);
  EXPECT_EQ(text(reader.read(response)), "@12");
}

TEST_F(WatchReaderTest, ProgressMovesThePosition) {
  EXPECT_EQ(text(reader.read(message(20))), "@20");
  EXPECT_EQ(text(reader.read(message(20))), "nothing") << "there already";
  EXPECT_EQ(reader.request().create_request().start_revision(), 21);
}

TEST_F(WatchReaderTest, AChangeIsReportedOnce) {
  auto response = message(99);
  put(response, "/net/subnets/10.5.1.0-24", "old", 10);
  put(response, "/net/subnets/10.5.1.0-24", "new", 11);
  EXPECT_EQ(text(reader.read(response)), "put 10.5.1.0-24=new @11");
  EXPECT_EQ(text(reader.read(response)), "nothing");
}

TEST_F(WatchReaderTest, BeingCreatedDoesNotMoveThePosition) {
  auto response = message(99);
  response.set_created(true);
  EXPECT_EQ(text(reader.read(response)), "created at 99");
  EXPECT_EQ(reader.position(), 10);
}

TEST_F(WatchReaderTest, ACompactedPositionIsLost) {
  auto response = message(0);
  response.set_canceled(true);
  response.set_compact_revision(50);
  EXPECT_EQ(text(reader.read(response)), "position lost");
}

TEST_F(WatchReaderTest, AnotherClusterHasAnotherHistory) {
  auto response = message(99);
  response.mutable_header()->set_cluster_id(kCluster + 1);
  response.set_created(true);
  EXPECT_EQ(text(reader.read(response)), "position lost");
}

TEST_F(WatchReaderTest, ACancelledWatchHasTheReason) {
  auto response = message(0);
  response.set_created(true);
  response.set_canceled(true);
  EXPECT_EQ(text(reader.read(response)), "unavailable: etcd cancelled the watch");
  response.set_cancel_reason(
      "rpc error: code = PermissionDenied desc = etcdserver: permission denied");
  EXPECT_EQ(text(reader.read(response)), "denied: " + response.cancel_reason());
}

}  // namespace
}  // namespace flannel::watch_reader_test
