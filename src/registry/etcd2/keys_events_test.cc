// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd2/keys_events.h"

#include <gtest/gtest.h>

namespace flannel::keys_events_test {
namespace {

const StoreKeys kKeys = keys_below("/net");

KeysAnswer event(const std::string& action, const std::string& key, bool dir = false) {
  return {action, {.key = key, .value = "v", .dir = dir, .expires = true, .modified = 9}};
}

// "put KEY", "gone KEY", "config", "no config", "" for nothing of ours, "?" for a snapshot.
std::string meaning(const KeysAnswer& answer) {
  const auto changes = changes_of(answer, kKeys);
  if (!changes) return "?";
  if (changes->empty()) return "";
  const Change& change = changes->front();
  if (const auto* put = std::get_if<RecordPut>(&change)) return "put " + put->record.key;
  if (const auto* gone = std::get_if<RecordGone>(&change)) return "gone " + gone->key;
  return std::holds_alternative<ConfigPut>(change) ? "config" : "no config";
}

TEST(KeysEventsTest, EveryWriteIsAPut) {
  for (const char* action : {"set", "create", "update", "compareAndSwap"}) {
    EXPECT_EQ(meaning(event(action, "/net/subnets/10.5.1.0-24")), "put 10.5.1.0-24") << action;
    EXPECT_EQ(meaning(event(action, "/net/config")), "config") << action;
  }
}

TEST(KeysEventsTest, EveryEndIsAnEnd) {
  for (const char* action : {"delete", "expire", "compareAndDelete"}) {
    EXPECT_EQ(meaning(event(action, "/net/subnets/10.5.1.0-24")), "gone 10.5.1.0-24") << action;
    EXPECT_EQ(meaning(event(action, "/net/config")), "no config") << action;
  }
}

TEST(KeysEventsTest, TheEndOfADirectoryRequiresASnapshot) {
  for (const char* key : {"/net/subnets", "/net", "/net/subnets/strange"}) {
    EXPECT_EQ(meaning(event("delete", key, true)), "?") << key;
    EXPECT_EQ(meaning(event("expire", key, true)), "?") << key;
    EXPECT_EQ(meaning(event("create", key, true)), "") << key;
  }
}

TEST(KeysEventsTest, WhatIsTooDeepIsOneRecord) {
  const std::string seven = "/net/subnets/1/2/3/4/5/6/7";
  EXPECT_EQ(meaning(event("create", seven, true)), "");
  EXPECT_EQ(meaning(event("set", seven + "/8")), "put 1/2/3/4/5/6/7/8") << "a value, not deeper";
  EXPECT_EQ(meaning(event("create", seven + "/8", true)), "put 1/2/3/4/5/6/7/8/");
  EXPECT_EQ(meaning(event("set", seven + "/8/9")), "put 1/2/3/4/5/6/7/8/");
  EXPECT_EQ(meaning(event("set", seven + "/8/9/10")), "put 1/2/3/4/5/6/7/8/");
  EXPECT_EQ(meaning(event("delete", seven + "/8/9")), "") << "the directory stays";
  EXPECT_EQ(meaning(event("delete", seven + "/8/9", true)), "?");
}

TEST(KeysEventsTest, OthersKeysAreNoneOfOurs) {
  for (const char* key :
       {"/net/other", "/net/subnets-lock", "/net/config2", "/net/nested/config"}) {
    EXPECT_EQ(meaning(event("set", key)), "") << key;
    EXPECT_EQ(meaning(event("delete", key, true)), "") << key;
  }
}

TEST(KeysEventsTest, AnUnknownActionBelowOurKeysRequiresASnapshot) {
  EXPECT_EQ(meaning(event("merge", "/net/subnets/10.5.1.0-24")), "?");
  EXPECT_EQ(meaning(event("merge", "/net/other")), "");
  EXPECT_EQ(meaning(event("set", "/net/subnets")), "?") << "a value in the directory's place";
}

TEST(KeysEventsTest, ATtlMakesTheDifferenceToAReservation) {
  KeysAnswer put = event("set", "/net/subnets/10.5.1.0-24");
  const auto record = [&] {
    return std::get<RecordPut>(changes_of(put, kKeys).value().front()).record;
  };
  EXPECT_EQ(record(), (Record{"10.5.1.0-24", "v", 9, kExpiresByTtl}));
  put.node.expires = false;
  EXPECT_FALSE(record().expires());
}

TEST(KeysEventsTest, ASnapshotIsSortedAndHasWhatIsOursAlone) {
  const KeysNode leases{.key = "/net/subnets",
                        .dir = true,
                        .nodes = {{.key = "/net/subnets/10.5.3.0-24", .value = "3", .modified = 5},
                                  {.key = "/net/subnets/10.5.20.0-24", .value = "20"},
                                  {.key = "/net/subnets/a",
                                   .dir = true,
                                   .nodes = {{.key = "/net/subnets/a/b", .value = "x"}}}}};
  const KeysAnswer all{"get",
                       {.key = "/net",
                        .dir = true,
                        .nodes = {leases,
                                  {.key = "/net/config", .value = "{}", .modified = 6},
                                  {.key = "/net/other", .value = "y"}}}};
  const Snapshot snapshot = snapshot_of(all, 42, kKeys).value();
  EXPECT_EQ(snapshot.revision, 42);
  EXPECT_EQ(snapshot.config, (ConfigRecord{"{}", 6}));
  std::string keys;
  for (const Record& record : snapshot.records)
    keys += record.key + " ";
  EXPECT_EQ(keys, "10.5.20.0-24 10.5.3.0-24 a/b ");
  EXPECT_FALSE(snapshot_of(event("get", "/net"), 1, kKeys)) << "a value is no directory";
}

TEST(KeysEventsTest, PathsAreEncodedPartByPart) {
  EXPECT_EQ(keys_path("/net/subnets/10.5.1.0-24&fd00::-56"),
            "/v2/keys/net/subnets/10.5.1.0-24%26fd00%3A%3A-56");
  EXPECT_EQ(keys_path("/"), "/v2/keys");
  EXPECT_EQ(keys_below("net").config, "/net/config");
}

}  // namespace
}  // namespace flannel::keys_events_test
