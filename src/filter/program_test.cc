// SPDX-License-Identifier: Apache-2.0
#include "filter/program.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <optional>

#include "loop/epoll_loop.h"

namespace flannel::program_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ProgramTest : public ::testing::Test {
 protected:
  Result<std::string> run(const std::string& script, const std::string& input = {},
                          Duration deadline = seconds(20)) {
    std::optional<Result<std::string>> end;
    const auto running = run_program(*loop, {{"/bin/sh", "-c", script}, input, deadline},
                                     [&](Result<std::string> done) {
                                       end = std::move(done);
                                       loop->stop();
                                     });
    if (!running) return Failure(running.error());
    EXPECT_TRUE(loop->run());
    return *end;
  }

  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
};

TEST_F(ProgramTest, ItsOutputComesBack) {
  EXPECT_EQ(run("cat; echo end", "in\n").value(), "in\nend\n");
}

TEST_F(ProgramTest, MuchIsReadAndWrittenWithoutADeadlock) {
  const std::string much(3'000'000, 'x');
  EXPECT_EQ(run("cat; cat /dev/null", much).value(), much);
}

TEST_F(ProgramTest, AFailureHasTheOutputOfTheProgram) {
  EXPECT_EQ(run("echo one >&2; echo two >&2; exit 3").error().text,
            "/bin/sh: exit status 3: one; two");
  EXPECT_EQ(run("kill -9 $$").error().text, "/bin/sh: ended by signal 9");
}

TEST_F(ProgramTest, AnUnknownExitStatusIsNoSuccess) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);  // as the parent process may have set it
  const auto end = run("exit 3");
  ::signal(SIGCHLD, before);
  ASSERT_FALSE(end);
  EXPECT_EQ(
      end.error().text,
      "/bin/sh: its exit status is lost: SIGCHLD is ignored, or another part of the process took "
      "it");
}

TEST_F(ProgramTest, OneThatDoesNotEndIsKilled) {
  EXPECT_EQ(run("exec sleep 600", {}, milliseconds(50)).error().text,
            "/bin/sh: killed, it did not end in time");
}

// It closes its output first, which most programs do by ending.
TEST_F(ProgramTest, AProgramThatClosedItsOutputIsKilledWithoutBlocking) {
  int turns = 0;
  SubscriptionPtr other;
  const std::function<void()> turn = [&] {
    ++turns;
    other = loop->at(loop->now() + milliseconds(5), turn);
  };
  turn();
  EXPECT_EQ(run("exec >&-; exec sleep 600", {}, milliseconds(500)).error().text,
            "/bin/sh: killed, it did not end in time");
  EXPECT_GT(turns, 10);
  EXPECT_EQ(run("exec >&-; sleep 0.05; exit 3").error().text, "/bin/sh: exit status 3");
}

TEST_F(ProgramTest, DroppingItKillsIt) {
  std::optional<SubscriptionPtr> running =
      run_program(*loop, {{"/bin/sh", "-c", "exec sleep 600"}, {}, seconds(600)},
                  [](const Result<std::string>&) { ADD_FAILURE(); })
          .value();
  running.reset();  // and does not wait for ten minutes
}

TEST_F(ProgramTest, WhatIsNoProgramIsAnError) {
  const auto running = run_program(*loop, {{"/nonexistent/program"}, {}, seconds(1)},
                                   [](const Result<std::string>&) { ADD_FAILURE(); });
  ASSERT_FALSE(running);
  EXPECT_EQ(running.error().text, "run /nonexistent/program: No such file or directory");
}

TEST_F(ProgramTest, ItTakesSignalsThatTheLoopHasBlocked) {
  const auto signals = loop->on_signals({SIGTERM}, [](int) {});
  ASSERT_TRUE(signals);
  EXPECT_EQ(run("kill -TERM $$; echo survived").error().text, "/bin/sh: ended by signal 15");
}

TEST_F(ProgramTest, ProgramsOfAdministratorsAreFoundWithoutPath) {
  EXPECT_EQ(find_program("no-such-program"), std::nullopt);
  EXPECT_TRUE(find_program("sh").has_value());
}

}  // namespace
}  // namespace flannel::program_test
