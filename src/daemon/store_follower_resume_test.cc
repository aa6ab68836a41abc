// SPDX-License-Identifier: Apache-2.0
// A broken watch that goes on, of a store that answers what the test says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "daemon/store_follower.h"
#include "support/chances.h"
#include "support/manual_loop.h"
#include "support/scripted_feed.h"

namespace flannel::store_follower_resume_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kKey = "10.0.1.0-24";

Change put(Revision at, const std::string& key = kKey, const std::string& value = "v") {
  return RecordPut{{key, value, at, "7", at}};
}

class StoreFollowerResumeTest : public ::testing::Test {
 protected:
  // A list of the revision 20, whose last change is of the revision 10, and a watch that has
  // worked.
  void follow() {
    feed_.content = {
        .revision = 20, .config = {}, .records = {std::get<RecordPut>(put(10)).record}};
    follower_.start();
    feed_.report({put(10)});
    loop_.advance(seconds(10));
    ASSERT_TRUE(follower_.is_up_to_date());
    ASSERT_EQ(feed_.lists, 1);
    feed_.watches.clear();
  }
  void follow_and_break(const std::vector<Change>& changes = {put(21)}) {
    follow();
    feed_.report(changes);
    news_.clear();
    feed_.disconnect();
    loop_.advance(seconds(1));
  }

  ManualLoop loop_;
  ScriptedFeed feed_;
  std::string news_;
  int resumed_ = 0;
  StoreFollower follower_{feed_,
                          loop_,
                          last_chance,
                          {.on_snapshot = [this](const Snapshot&) { news_ += "list "; },
                           .on_changes =
                               [this](const std::vector<Change>& changes) {
                                 for (const Change& change : changes)
                                   news_ += fmt::format("{} ", revision_of(change));
                               },
                           .on_connection = [] {},
                           .on_resumed = [this] { ++resumed_; }}};
};

TEST_F(StoreFollowerResumeTest, TheWatchAfterAListRepeatsItsLastChange) {
  feed_.content = {.revision = 20, .config = {}, .records = {std::get<RecordPut>(put(10)).record}};
  follower_.start();
  EXPECT_EQ(feed_.watches, std::vector<Revision>{9});
  feed_.report({put(10), RecordGone{"10.0.2.0-24", 15}, put(21)});
  EXPECT_EQ(news_, "list 21 ");
}

TEST_F(StoreFollowerResumeTest, ABrokenWatchGoesOnWithWhatWasMissed) {
  follow_and_break();
  EXPECT_EQ(feed_.watches, std::vector<Revision>{9});
  EXPECT_FALSE(follower_.connected());
  feed_.report({put(10), put(21), put(22)});
  EXPECT_EQ(news_, "22 ");
  EXPECT_EQ(resumed_, 1);
  EXPECT_TRUE(follower_.connected());
  EXPECT_EQ(feed_.lists, 1);
}

TEST_F(StoreFollowerResumeTest, ItIsUpToDateWhenAllThatWasMissedMustHaveCome) {
  follow_and_break();
  feed_.report({put(10), put(21)});
  EXPECT_FALSE(follower_.is_up_to_date());
  loop_.advance(StoreFollower::kAllReported);
  EXPECT_TRUE(follower_.is_up_to_date());
}

TEST_F(StoreFollowerResumeTest, AnotherHistoryIsListed) {
  follow_and_break();
  feed_.report({put(10), put(21, kKey, "other"), put(22)});
  EXPECT_EQ(news_, "");
  EXPECT_FALSE(feed_.is_watched());
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.lists, 2);
  EXPECT_EQ(news_, "list ");
  EXPECT_EQ(follower_.counters().refuted, 1U);
  EXPECT_EQ(resumed_, 0);
}

TEST_F(StoreFollowerResumeTest, WhatIsNotRepeatedInTimeIsListed) {
  follow_and_break();
  feed_.report({put(10), put(25)});
  loop_.advance(StoreFollower::kProofDeadline);
  EXPECT_EQ(news_, "list ");
  EXPECT_EQ(feed_.lists, 2);
}

TEST_F(StoreFollowerResumeTest, WhatIsForgottenButForTheLastChangesIsEnough) {
  follow_and_break({put(21), put(22), put(23)});
  feed_.lose_position();
  loop_.run_until_idle();
  EXPECT_EQ(feed_.watches, (std::vector<Revision>{9, 21}));
  feed_.report({put(22), put(23), put(30)});
  EXPECT_EQ(news_, "30 ");
  EXPECT_EQ(feed_.lists, 1);
}

// A store that was restored may have one change again as it was, at its revision.
TEST_F(StoreFollowerResumeTest, OneChangeProvesNothing) {
  follow_and_break({put(21), put(22)});
  feed_.lose_position();
  loop_.run_until_idle();
  ASSERT_EQ(feed_.watches, (std::vector<Revision>{9}));
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.lists, 2);
}

TEST_F(StoreFollowerResumeTest, AListWhoseWatchBreaksBeforeItsProofIsTakenAgain) {
  feed_.content = {
      .revision = 20,
      .config = {},
      .records = {std::get<RecordPut>(put(10)).record, std::get<RecordPut>(put(12)).record}};
  follower_.start();
  feed_.report({put(10)});
  feed_.disconnect();
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.lists, 2);
}

TEST_F(StoreFollowerResumeTest, AListThatLacksARecordIsNotProven) {
  feed_.content = {.revision = 20, .config = {}, .records = {std::get<RecordPut>(put(10)).record}};
  follower_.start();
  EXPECT_TRUE(follower_.doubts_list());
  feed_.report({put(10), put(12, "10.0.2.0-24")});
  EXPECT_TRUE(follower_.doubts_list());
  feed_.report({});
  EXPECT_TRUE(follower_.doubts_list());
  loop_.advance(seconds(6));
  EXPECT_EQ(feed_.lists, 2);
}

TEST_F(StoreFollowerResumeTest, AForgottenHistoryIsListed) {
  follow_and_break();
  feed_.lose_position();
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.lists, 2);
  EXPECT_EQ(follower_.counters().positions_lost, 1U);
}

TEST_F(StoreFollowerResumeTest, AfterAListOfAForgottenHistoryTheWatchBeginsAtTheList) {
  feed_.content = {.revision = 20, .config = {}, .records = {std::get<RecordPut>(put(10)).record}};
  follower_.start();
  feed_.lose_position();
  loop_.run_until_idle();
  EXPECT_EQ(feed_.watches, (std::vector<Revision>{9, 20}));
  feed_.report({put(21), put(22)});
  feed_.disconnect();
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.watches.back(), 20) << "from there on all is known";
  EXPECT_EQ(feed_.lists, 1);
}

TEST_F(StoreFollowerResumeTest, ItGoesOnAfterManyBreaks) {
  follow_and_break();
  for (int i = 0; i < 20; ++i) {
    feed_.disconnect();
    loop_.advance(seconds(11));
  }
  EXPECT_EQ(feed_.lists, 1);
  feed_.report({put(10), put(21)});
  EXPECT_EQ(resumed_, 1);
  EXPECT_TRUE(follower_.connected());
}

TEST_F(StoreFollowerResumeTest, WatchesThatBreakAfterTheirProofGoOnWithPauses) {
  follow_and_break();
  feed_.watches.clear();
  for (int tenths = 0; tenths < 600; ++tenths) {
    if (feed_.is_watched()) {
      feed_.report({put(10), put(21)});
      feed_.disconnect();
    }
    loop_.advance(milliseconds(100));
  }
  EXPECT_LT(feed_.watches.size(), 16U);
  EXPECT_FALSE(follower_.connected());
  loop_.advance(seconds(10));
  feed_.report({put(10), put(21)});
  loop_.advance(seconds(5));
  EXPECT_TRUE(follower_.connected());
}

TEST_F(StoreFollowerResumeTest, AListThatIsAskedForIsTakenWhateverBreaks) {
  follow();
  follower_.list_again();
  feed_.disconnect();
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.lists, 2);
}

TEST_F(StoreFollowerResumeTest, AListThatFailsIsFollowedByAList) {
  follow();
  feed_.is_away = true;
  follower_.list_again();
  loop_.advance(seconds(1));
  feed_.is_away = false;
  loop_.advance(seconds(10));
  EXPECT_EQ(news_, "list list ");
  EXPECT_TRUE(feed_.watches.size() == 1);
}

TEST_F(StoreFollowerResumeTest, AListMayTakeThePlaceOfTheWatchThatIsDue) {
  follow();
  EXPECT_FALSE(follower_.list_after_pause()) << "there is no pause";
  feed_.disconnect();
  EXPECT_TRUE(follower_.list_after_pause());
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.lists, 2);
}

TEST_F(StoreFollowerResumeTest, SomeTimeAfterAWatchWentOnAListIsCompared) {
  follow_and_break();
  feed_.report({put(10), put(21)});
  loop_.advance(StoreFollower::kSoonestComparison - seconds(1));
  EXPECT_EQ(feed_.lists, 1);
  loop_.advance(seconds(10));
  EXPECT_EQ(feed_.lists, 2);
  loop_.advance(hours(100));
  EXPECT_EQ(feed_.lists, 2) << "only after a break";
}

// Whatever is wrong with a store that never repeats what it lists, it is not listed for ever.
TEST_F(StoreFollowerResumeTest, AListThatIsRefutedIsFollowedByOneThatIsBelieved) {
  feed_.content = {.revision = 20, .config = {}, .records = {std::get<RecordPut>(put(10)).record}};
  follower_.start();
  feed_.report({put(10, kKey, "other")});
  EXPECT_EQ(feed_.lists, 1) << "it may have been deleted before the list";
  loop_.advance(seconds(6));
  EXPECT_EQ(feed_.lists, 2);
  EXPECT_EQ(feed_.watches, (std::vector<Revision>{9, 20}));
  loop_.advance(hours(1));
  EXPECT_EQ(feed_.lists, 2);
}

TEST_F(StoreFollowerResumeTest, ALastChangeThatIsNotRepeatedIsNoHistory) {
  feed_.content = {.revision = 20, .config = {}, .records = {std::get<RecordPut>(put(10)).record}};
  follower_.start();
  loop_.advance(seconds(10));
  feed_.disconnect();
  loop_.advance(seconds(1));
  EXPECT_EQ(feed_.lists, 2);
}

}  // namespace
}  // namespace flannel::store_follower_resume_test
