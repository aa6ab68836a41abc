// SPDX-License-Identifier: Apache-2.0
// A start from what an earlier run knew, of a store that answers what the test says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "daemon/store_follower.h"
#include "support/chances.h"
#include "support/manual_loop.h"
#include "support/scripted_feed.h"

namespace flannel::store_follower_kept_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Record record(Revision at, const std::string& key) {
  return {.key = key, .value = "v", .revision = at, .expiry_handle = "7", .created = at};
}
Change put(Revision at, const std::string& key) {
  return RecordPut{record(at, key)};
}

class StoreFollowerKeptTest : public ::testing::Test {
 protected:
  // The host knew two leases, and the changes of the revisions 10 and 12.
  void start() {
    follower_.start_from({.revision = 12,
                          .config = ConfigRecord{"{}", 3},
                          .records = {record(10, "10.0.1.0-24"), record(12, "10.0.2.0-24")}},
                         {put(10, "10.0.1.0-24"), put(12, "10.0.2.0-24")});
  }
  std::string take_news() { return std::exchange(news_, {}); }
  static std::string text(const Snapshot& snapshot) {
    std::string keys;
    for (const Record& one : snapshot.records)
      keys += fmt::format(" {}@{}", one.key, one.revision);
    return keys;
  }

  ManualLoop loop_;
  ScriptedFeed feed_;
  bool uses_ = true;
  std::string news_;
  StoreFollower follower_{
      feed_,
      loop_,
      last_chance,
      {.on_snapshot = [this](const Snapshot& all) { news_ += "list" + text(all) + ";"; },
       .on_changes =
           [this](const std::vector<Change>& changes) {
             for (const Change& change : changes)
               news_ += fmt::format("change {};", revision_of(change));
           },
       .on_connection = [] {},
       .on_resumed = [this] { news_ += "resumed;"; },
       .on_kept =
           [this](const Snapshot& kept, bool is_proven) {
             news_ += (is_proven ? "proven" : "kept") + text(kept) + ";";
             return uses_;
           }}};
};

TEST_F(StoreFollowerKeptTest, WhatTheStoreRepeatsIsUsedWithWhatWasMissed) {
  start();
  EXPECT_EQ(feed_.watches, std::vector<Revision>{9});
  feed_.report({put(10, "10.0.1.0-24")});
  feed_.report({put(12, "10.0.2.0-24")});
  EXPECT_EQ(take_news(), "resumed;");
  feed_.report({put(20, "10.0.0.0-24")});
  feed_.report({RecordGone{"10.0.2.0-24", 21}, put(21, "10.0.1.0-24")});
  EXPECT_EQ(take_news(), "");
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(take_news(), "proven 10.0.0.0-24@20 10.0.1.0-24@21;");
  EXPECT_TRUE(follower_.connected());
  feed_.report({put(22, "10.0.3.0-24")});
  EXPECT_EQ(take_news(), "change 22;");
  loop_.advance(seconds(2));
  EXPECT_TRUE(follower_.is_up_to_date());
  EXPECT_EQ(feed_.lists, 0);
}

TEST_F(StoreFollowerKeptTest, WhatIsNotUsedIsFollowedByAList) {
  uses_ = false;
  start();
  feed_.report({put(10, "10.0.1.0-24"), put(12, "10.0.2.0-24")});
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(take_news(), "resumed;proven 10.0.1.0-24@10 10.0.2.0-24@12;list;");
}

TEST_F(StoreFollowerKeptTest, WhatIsNotUsedIsOfferedAgainIfTheListFails) {
  uses_ = false;
  start();
  feed_.report({put(10, "10.0.1.0-24"), put(12, "10.0.2.0-24"), put(13, "10.0.3.0-24")});
  feed_.is_away = true;
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(take_news(),
            "resumed;proven 10.0.1.0-24@10 10.0.2.0-24@12 10.0.3.0-24@13;"
            "kept 10.0.1.0-24@10 10.0.2.0-24@12 10.0.3.0-24@13;");
}

TEST_F(StoreFollowerKeptTest, WhatIsMissedIsGatheredForATimeAndNoLonger) {
  start();
  loop_.advance(StoreFollower::kPatience - milliseconds(1));
  feed_.report({put(10, "10.0.1.0-24"), put(12, "10.0.2.0-24")});
  loop_.advance(milliseconds(15));
  EXPECT_EQ(take_news(), "resumed;") << "the store is not away";
  feed_.report({put(13, "10.0.3.0-24")});
  loop_.advance(milliseconds(5));
  EXPECT_EQ(take_news(), "proven 10.0.1.0-24@10 10.0.2.0-24@12 10.0.3.0-24@13;");
}

TEST_F(StoreFollowerKeptTest, AStoreThatGoesAwayWhileItIsGatheredIsAway) {
  start();
  feed_.report({put(10, "10.0.1.0-24"), put(12, "10.0.2.0-24"), put(13, "10.0.3.0-24")});
  feed_.disconnect();
  EXPECT_EQ(take_news(), "resumed;kept 10.0.1.0-24@10 10.0.2.0-24@12 10.0.3.0-24@13;");
  loop_.advance(StoreFollower::kGathered);
  EXPECT_EQ(take_news(), "");
}

TEST_F(StoreFollowerKeptTest, AfterAListNothingIsOffered) {
  uses_ = false;
  start();
  feed_.disconnect();
  follower_.list_again();
  loop_.run_until_idle();
  EXPECT_EQ(take_news(), "kept 10.0.1.0-24@10 10.0.2.0-24@12;list;");
  feed_.disconnect();
  loop_.advance(seconds(5));
  EXPECT_EQ(take_news().find("kept"), std::string::npos);
}

TEST_F(StoreFollowerKeptTest, AStoreThatRepeatsNoHistoryIsListed) {
  feed_.repeats = false;
  start();
  EXPECT_EQ(take_news(), "list;");
}

TEST_F(StoreFollowerKeptTest, AStoreThatIsAwayIsAskedForAndTheHostEachTime) {
  uses_ = false;
  start();
  feed_.disconnect();
  EXPECT_EQ(take_news(), "kept 10.0.1.0-24@10 10.0.2.0-24@12;");
  loop_.advance(StoreFollower::kAskedAgain);
  EXPECT_EQ(take_news(), "kept 10.0.1.0-24@10 10.0.2.0-24@12;");
  uses_ = true;
  loop_.advance(StoreFollower::kAskedAgain);
  EXPECT_EQ(take_news(), "kept 10.0.1.0-24@10 10.0.2.0-24@12;");
  loop_.advance(seconds(5));
  EXPECT_EQ(take_news(), "") << "it is used now";
  EXPECT_FALSE(follower_.connected());
  feed_.report({put(10, "10.0.1.0-24"), put(12, "10.0.2.0-24"), put(13, "10.0.3.0-24")});
  EXPECT_EQ(take_news(), "resumed;change 13;");
}

TEST_F(StoreFollowerKeptTest, ASilentStoreIsAwayAfterAWhile) {
  start();
  loop_.advance(StoreFollower::kPatience - milliseconds(1));
  EXPECT_EQ(take_news(), "");
  loop_.advance(milliseconds(1));
  EXPECT_EQ(take_news(), "kept 10.0.1.0-24@10 10.0.2.0-24@12;");
}

TEST_F(StoreFollowerKeptTest, OfAnotherHistoryNothingIsUsed) {
  start();
  feed_.is_away = true;  // the list fails
  feed_.report({put(11, "10.0.1.0-24")});
  EXPECT_EQ(feed_.lists, 1) << "at once";
  loop_.advance(seconds(30));
  EXPECT_EQ(take_news(), "");
  EXPECT_EQ(follower_.counters().refuted, 1U);
  EXPECT_GT(feed_.lists, 1);
}

TEST_F(StoreFollowerKeptTest, AfterACompactionThereIsAList) {
  feed_.content = {.revision = 30, .config = {}, .records = {record(30, "10.0.9.0-24")}};
  start();
  feed_.lose_position();  // of both changes,
  loop_.run_until_idle();
  feed_.lose_position();  // and of the last one
  loop_.run_until_idle();
  EXPECT_EQ(take_news(), "list 10.0.9.0-24@30;") << "at once";
  loop_.advance(seconds(30));
  const std::string news = take_news();
  EXPECT_EQ(news.find("kept"), std::string::npos) << news;
  EXPECT_EQ(news.find("proven"), std::string::npos) << news;
}

TEST_F(StoreFollowerKeptTest, WithoutAHistoryThereIsAListOrWhatWasKept) {
  feed_.is_away = true;
  follower_.start_from({.revision = 12, .config = {}, .records = {record(10, "10.0.1.0-24")}}, {});
  EXPECT_TRUE(feed_.watches.empty());
  EXPECT_EQ(take_news(), "kept 10.0.1.0-24@10;");
  feed_.is_away = false;
  loop_.advance(seconds(1));
  EXPECT_EQ(take_news(), "list;");
}

}  // namespace
}  // namespace flannel::store_follower_kept_test
