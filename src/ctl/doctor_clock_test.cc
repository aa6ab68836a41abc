// SPDX-License-Identifier: Apache-2.0
#include <fmt/chrono.h>
#include <gtest/gtest.h>

#include "ctl/doctor.h"
#include "support/scripted_server.h"

namespace flannel::doctor {
namespace {

using std::chrono::system_clock;

// What doctor says with a store whose clock is so far ahead of this host's.
Check check_with(std::chrono::seconds ahead) {
  const std::time_t there = system_clock::to_time_t(system_clock::now() + ahead);
  const std::string date =
      fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", fmt::gmtime(there));
  ScriptedServer server([&](const std::string&, const std::string&) {
    return ScriptedServer::answer(200, date, "{}");
  });
  CtlOptions options;
  options.store.endpoints = {server.url()};
  Checks checks;
  check_clock(options, checks);
  return checks.at(0);
}

TEST(DoctorClockTest, ClocksThatDifferBySecondsAgree) {
  for (const int seconds : {0, 3, -3}) {
    const Check check = check_with(std::chrono::seconds(seconds));
    EXPECT_EQ(check.verdict, Verdict::ok) << seconds << ": " << check.text;
    EXPECT_EQ(check.text, "this host and the store have the same time");
  }
}

TEST(DoctorClockTest, TheClockThatIsAheadIsTold) {
  const Check behind = check_with(std::chrono::minutes(150));
  EXPECT_EQ(behind.code, "clock-off");
  EXPECT_EQ(behind.text, "the clock of this host is 2 h behind that of the store");
  const Check ahead = check_with(-std::chrono::minutes(150));
  EXPECT_EQ(ahead.code, "clock-off");
  EXPECT_EQ(ahead.text, "the clock of this host is 2 h ahead of that of the store");
}

TEST(DoctorClockTest, AStoreWithoutAClockIsNotJudged) {
  CtlOptions options;
  options.store.kind = StoreKind::sqlite;
  Checks checks;
  check_clock(options, checks);
  EXPECT_TRUE(checks.empty());
}

}  // namespace
}  // namespace flannel::doctor
