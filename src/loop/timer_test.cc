// SPDX-License-Identifier: Apache-2.0
#include "loop/timer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "loop/loop_gate.h"
#include "support/manual_loop.h"

namespace flannel::timer_test {
namespace {

using std::chrono::hours;

struct TimerTest : ::testing::Test {
  ManualLoop loop;
  const TimePoint start = loop.now();
  int expired = 0;
  Timer timer{loop, [this] { ++expired; }};
};

TEST_F(TimerTest, ExpiresOnceAndIsNotArmedAnyMore) {
  timer.arm(start + hours(1));
  EXPECT_TRUE(timer.armed());
  EXPECT_EQ(timer.due(), start + hours(1));
  loop.advance(hours(1));
  EXPECT_EQ(expired, 1);
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(timer.due(), kNever);
  loop.advance(hours(2));
  EXPECT_EQ(expired, 1);
}

TEST_F(TimerTest, TheLastTimeCounts) {
  timer.arm(start + hours(1));
  timer.arm(start + hours(3));
  loop.advance(hours(2));
  EXPECT_EQ(expired, 0);
  timer.arm(start);  // in the past
  loop.run_until_idle();
  EXPECT_EQ(expired, 1);
  loop.advance(hours(2));
  EXPECT_EQ(expired, 1);
}

TEST_F(TimerTest, KNeverCancels) {
  timer.arm(start + hours(1));
  timer.arm(kNever);
  EXPECT_FALSE(timer.armed());
  timer.arm_after(hours(1));
  timer.cancel();
  loop.advance(hours(2));
  EXPECT_EQ(expired, 0);
}

TEST_F(TimerTest, TheTimeThatIsArmedKeepsItsPlaceAmongOthers) {
  std::string order;
  Timer first{loop, [&] { order += "first "; }};
  Timer second{loop, [&] { order += "second"; }};
  first.arm(start + hours(1));
  second.arm(start + hours(1));
  first.arm(start + hours(1));
  loop.advance(hours(1));
  EXPECT_EQ(order, "first second");
}

TEST_F(TimerTest, ItMayArmItselfAgain) {
  int left = 3;
  Timer again{loop, [&] {
                EXPECT_FALSE(again.armed());
                if (--left > 0) again.arm_after(hours(1));
              }};
  again.arm(start);
  loop.advance(hours(5));
  EXPECT_EQ(left, 0);
}

TEST_F(TimerTest, ItMayDestroyItself) {
  std::unique_ptr<Timer> doomed;
  std::string said;
  doomed = std::make_unique<Timer>(loop, [&doomed, &said, text = std::string(100, 'x')] {
    doomed.reset();
    said = text;
  });
  doomed->arm_after(hours(1));
  loop.advance(hours(1));
  EXPECT_EQ(said, std::string(100, 'x'));
}

TEST_F(TimerTest, ItsEndCancels) {
  {
    Timer brief{loop, [this] { ++expired; }};
    brief.arm_after(hours(1));
  }
  loop.advance(hours(2));
  EXPECT_EQ(expired, 0);
}

TEST(LifeTokenTest, AGuardedCallbackIsNotCalledAfterTheEnd) {
  std::string text_received;
  auto token = std::make_unique<LifeToken>();
  const auto guarded = token->guard([&](const std::string& text) { text_received += text; });
  const LifeToken::Watch watch = token->watch();
  guarded("before ");
  EXPECT_FALSE(watch.ended());
  token.reset();
  guarded("after");
  EXPECT_TRUE(watch.ended());
  EXPECT_EQ(text_received, "before ");
}

TEST(LifeTokenTest, MayEndBeforeItsOwner) {
  LifeToken token;
  int calls = 0;
  const auto guarded = token.guard([&] { ++calls; });
  token.end();
  guarded();
  EXPECT_EQ(calls, 0);
}

TEST(LoopGateTest, WhatIsPostedThroughAGateThatIsGoneDoesNotRun) {
  ManualLoop loop;
  int ran = 0;
  auto gate = std::make_unique<LoopGate>(loop);
  const LoopGate::Sender sender = gate->sender();
  sender.post([&] { ++ran; });
  loop.run_until_idle();
  sender.post([&] { ++ran; });
  gate.reset();
  loop.run_until_idle();
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace flannel::timer_test
