// SPDX-License-Identifier: Apache-2.0
#include "base/line_limit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/log.h"

namespace flannel::line_limit_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LineLimitTest : public ::testing::Test {
 protected:
  int admitted(std::string_view kind, int lines) {
    int count = 0;
    for (int i = 0; i < lines; ++i)
      count += limit.admits(kind, now) ? 1 : 0;
    return count;
  }
  std::string ended() {
    std::string text;
    for (const auto& held : limit.take_ended(now))
      text += fmt::format("{} {} in {} ms; ", held.lines, held.kind, held.within / milliseconds(1));
    return text;
  }

  LineLimit limit;
  TimePoint now{seconds(100)};
};

TEST_F(LineLimitTest, TenOfAKindASecondAndThenACount) {
  EXPECT_EQ(admitted("set aside", 1000), 10);
  EXPECT_EQ(admitted("renewed", 3), 3) << "another kind";
  EXPECT_EQ(limit.next_end(), now + seconds(1));
  now += milliseconds(900);
  EXPECT_EQ(ended(), "");
  EXPECT_EQ(admitted("set aside", 5), 0);
  now += milliseconds(100);
  EXPECT_EQ(ended(), "995 set aside in 1000 ms; ");
  EXPECT_EQ(ended(), "") << "each count once";
  EXPECT_EQ(limit.next_end(), kNever);
  EXPECT_EQ(admitted("set aside", 1000), 10);
}

TEST_F(LineLimitTest, AFewNowAndThenAreAllWritten) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(admitted("set aside", 10), 10);
    now += seconds(1);
  }
  EXPECT_EQ(limit.next_end(), kNever);
}

TEST_F(LineLimitTest, MessagesThatAreAllDifferentAreBoundedTogether) {
  int count = 0;
  for (int i = 0; i < 5000; ++i)
    count += admitted(fmt::format("message {}", i), 1);
  EXPECT_LT(count, 300);
  now += seconds(1);
  EXPECT_EQ(ended(), fmt::format("{} other lines in 1000 ms; ", 5000 - count));
  EXPECT_EQ(admitted("message 1", 1), 1);
}

// Everything that is logged, until the end of the test.
struct Captured {
  Captured() {
    log::capture([this](std::string_view line) { lines.append(line).append("\n"); });
  }
  ~Captured() { log::capture({}); }
  std::string lines;
};

TEST(LogTest, AFloodIsTenLinesAndACount) {
  int hooked = 0;
  log::on_held_back([&] { ++hooked; });
  const Captured captured;
  const TimePoint began = BootClock::now();
  for (int i = 0; i < 100; ++i)
    log::warning("a flood", {{"n", i}});
  if (BootClock::now() - began < seconds(1)) {
    EXPECT_EQ(std::count(captured.lines.begin(), captured.lines.end(), '\n'), 10);
    EXPECT_EQ(hooked, 1) << "the hook runs once";
  }
  EXPECT_EQ(log::write_held_back(BootClock::now() + seconds(1)), kNever);
  EXPECT_NE(captured.lines.find("a flood: "), std::string::npos) << captured.lines;
  EXPECT_NE(captured.lines.find(" more lines like this in "), std::string::npos);
  log::on_held_back({});
}

TEST(LogTest, WhatWasAskedForIsWrittenWhole) {
  log::set_verbosity(2);
  const Captured captured;
  for (int i = 0; i < 100; ++i)
    log::verbose(2, "Subnet added", {{"n", i}});
  log::set_verbosity(0);
  EXPECT_EQ(std::count(captured.lines.begin(), captured.lines.end(), '\n'), 100);
}

TEST(LogTest, AVeryLongTextIsCut) {
  const Captured captured;
  log::info("long " + std::string(5000, 'x'), {{"why", std::string(900000, 'y')}});
  EXPECT_LT(captured.lines.size(), 2100U);
}

TEST(LogTest, ThreadsThatLogTogetherLoseNoCount) {
  std::atomic<int> written = 0;
  log::capture([&](std::string_view) { ++written; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 500; ++i)
        log::info("from a thread");
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_GE(written, 10);
  log::write_held_back(BootClock::now() + seconds(1));
  log::capture({});
}

}  // namespace
}  // namespace flannel::line_limit_test
