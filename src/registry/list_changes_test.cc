// SPDX-License-Identifier: Apache-2.0
#include "registry/list_changes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flannel::list_changes_test {
namespace {

std::string text_of(const ListChanges& found) {
  std::string text;
  for (const Change& change : found.changes) {
    if (const auto* put = std::get_if<RecordPut>(&change)) {
      text +=
          fmt::format("put {}={}@{} ", put->record.key, put->record.value, put->record.revision);
    } else if (const auto* gone = std::get_if<RecordGone>(&change)) {
      text += fmt::format("gone {}@{} ", gone->key, gone->revision);
    } else if (const auto* config = std::get_if<ConfigPut>(&change)) {
      text += fmt::format("config {}@{} ", config->config.text, config->config.revision);
    } else {
      text += fmt::format("no config@{} ", std::get<ConfigGone>(change).revision);
    }
  }
  return text;
}

const Snapshot kBefore{10, ConfigRecord{"{}", 3}, {{"a", "1", 4, "s"}, {"b", "2", 5, "s"}}};

TEST(ListChangesTest, OfTheSameListThereAreNone) {
  const ListChanges none = changes_between(kBefore, kBefore);
  EXPECT_TRUE(none.changes.empty());
  EXPECT_FALSE(none.lost_something());
  EXPECT_FALSE(none.from_the_past);
}

TEST(ListChangesTest, WhatWasWrittenComesInTheOrderOfItsRevisions) {
  const Snapshot after{
      20, ConfigRecord{"{1}", 13}, {{"a", "1", 14, "s"}, {"b", "2", 5, "s"}, {"c", "3", 12, ""}}};
  EXPECT_EQ(text_of(changes_between(kBefore, after)), "put c=3@12 config {1}@13 put a=1@14 ");
}

TEST(ListChangesTest, WhatIsGoneComesLastAndIsNamed) {
  const Snapshot after{20, {}, {{"b", "new", 15, "s"}}};
  const ListChanges found = changes_between(kBefore, after);
  EXPECT_EQ(text_of(found), "put b=new@15 no config@20 gone a@20 ");
  EXPECT_EQ(found.gone, std::vector<std::string>{"a"});
  EXPECT_TRUE(found.config_gone);
  EXPECT_TRUE(found.lost_something());
}

TEST(ListChangesTest, AnotherHandleOfTheSameValueIsAChange) {
  Snapshot after = kBefore;
  after.revision = 20;
  after.records[0] = {"a", "1", 18, "t"};
  EXPECT_EQ(text_of(changes_between(kBefore, after)), "put a=1@18 ");
}

// As after a restore from a backup, or with another store at the same address.
TEST(ListChangesTest, AWriteThatIsNotLaterThanTheListBeforeIsFromThePast) {
  for (const Revision revision : {1, 10}) {
    Snapshot after = kBefore;
    after.revision = 20;
    after.records[0] = {"a", "other", revision, "s"};
    EXPECT_TRUE(changes_between(kBefore, after).from_the_past) << revision;
  }
  Snapshot later = kBefore;
  later.records[0] = {"a", "other", 11, "s"};
  EXPECT_FALSE(changes_between(kBefore, later).from_the_past);
}

}  // namespace
}  // namespace flannel::list_changes_test
