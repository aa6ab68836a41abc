// SPDX-License-Identifier: Apache-2.0
// When a host keeps what it knows.
#include "daemon/state_saver.h"

#include <gtest/gtest.h>

#include "support/manual_loop.h"
#include "support/plain_host.h"

namespace flannel::state_saver_test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class StateSaverTest : public ::testing::Test {
 protected:
  struct SavingHost final : PlainHost {
    Result<HostView> view() override { return HostView{}; }
    HostClock clock() override { return now; }
    void keep_state(KeptState, std::vector<ListedLease>) override { ++kept; }
    void forget_state() override { ++forgotten; }
    HostClock now{.boot = "boot", .by_server = true};
    int kept = 0, forgotten = 0;
  };

  StateSaverTest() { state_.history = {RecordGone{"10.5.9.0-24", 5}}; }
  // Something has happened in the store.
  void happen() {
    state_.history = {RecordGone{"10.5.9.0-24", ++revision_}};
    saver_.look();
  }
  void write(Revision revision) {
    lease_ = KeptLease{{.key = "10.5.1.0-24", .value = "{}", .revision = revision},
                       TimePoint(hours(24)),
                       hours(24)};
    saver_.look();
  }
  // A lease that was kept.
  void begin() {
    write(1);
    loop_.advance(StateSaver::kSoon);
    ASSERT_EQ(host_.kept, 1);
  }

  ManualLoop loop_;
  SavingHost host_;
  Revision revision_ = 5;
  std::optional<KeptLease> lease_;
  KeptState state_;
  StateSaver saver_{{.loop = loop_,
                     .host = host_,
                     .lease = [this] { return lease_; },
                     .state = [this] { return state_; },
                     .leases = [] { return std::vector<ListedLease>(); }}};
};

TEST_F(StateSaverTest, ANewRecordIsKeptSoonAndAllElseRarely) {
  begin();
  happen();
  loop_.advance(seconds(10));
  EXPECT_EQ(host_.kept, 1);
  write(2);
  loop_.advance(StateSaver::kSoon);
  EXPECT_EQ(host_.kept, 2);
  happen();
  loop_.advance(StateSaver::kPause - seconds(1));
  EXPECT_EQ(host_.kept, 2);
  loop_.advance(seconds(1));
  EXPECT_EQ(host_.kept, 3);
}

TEST_F(StateSaverTest, OfAShortLifeATenthIsThePause) {
  begin();
  lease_->life = minutes(10);
  write(2);
  lease_->life = minutes(10);
  loop_.advance(StateSaver::kSoon);
  EXPECT_EQ(host_.kept, 2);
  happen();
  loop_.advance(minutes(1));
  EXPECT_EQ(host_.kept, 3);
}

TEST_F(StateSaverTest, WhatIsTheSameIsNotKeptAgain) {
  begin();
  const auto look = [this] {
    saver_.look();
    loop_.advance(StateSaver::kPause);
    return std::exchange(host_.kept, 0);
  };
  host_.kept = 0;
  EXPECT_EQ(look(), 0);
  lease_->ends += hours(1);
  EXPECT_EQ(look(), 1) << "it was renewed";
  state_.config.text = "{}";
  EXPECT_EQ(look(), 1);
  host_.now.by_hardware = true;
  EXPECT_EQ(look(), 1);
  state_.node.bytes[0] = 1;
  EXPECT_EQ(look(), 1);
  EXPECT_EQ(look(), 0);
  state_.history.clear();
  EXPECT_EQ(look(), 1);
  EXPECT_EQ(look(), 1) << "without a history nobody knows";
  state_.history = {RecordGone{"10.5.9.0-24", 5}};
  EXPECT_EQ(look(), 1);
}

TEST_F(StateSaverTest, AClockThatBecomesRightIsKept) {
  host_.now.by_server = false;
  begin();
  host_.now.by_server = true;
  loop_.advance(StateSaver::kPause);
  EXPECT_EQ(host_.kept, 2) << "nobody has called";
  loop_.advance(hours(1));
  EXPECT_EQ(host_.kept, 2);
}

TEST_F(StateSaverTest, ALeaseThatIsLostIsForgottenEachTime) {
  saver_.look();
  EXPECT_EQ(host_.forgotten, 1) << "what an earlier run has kept";
  for (int times = 2; times <= 3; ++times) {
    write(times);
    loop_.advance(StateSaver::kSoon);
    lease_.reset();
    saver_.look();
    saver_.look();
    EXPECT_EQ(host_.forgotten, times);
  }
  EXPECT_EQ(host_.kept, 2);
}

TEST_F(StateSaverTest, ALeaseThatIsLostBeforeItIsKeptIsNot) {
  write(1);
  saver_.forget();
  loop_.advance(hours(1));
  EXPECT_EQ(host_.kept, 0);
  begin();
  happen();
  lease_.reset();  // nobody has said so yet
  loop_.advance(StateSaver::kPause);
  EXPECT_EQ(host_.kept, 1);
  EXPECT_EQ(host_.forgotten, 2);
}

}  // namespace
}  // namespace flannel::state_saver_test
