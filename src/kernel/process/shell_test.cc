// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/shell.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "loop/epoll_loop.h"

namespace flannel::shell_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Until the process is gone, or a minute has passed.
bool ends(pid_t pid) {
  for (int n = 0; n < 6000; ++n) {
    if (::kill(pid, 0) != 0) return true;
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    if (status >> number >> name >> state && state == "Z") return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

class ShellTest : public ::testing::Test {
 protected:
  ShellEnd run(ShellCall call) {
    std::optional<ShellEnd> end;
    const auto running = run_shell(*loop, std::move(call), [&](ShellEnd done) {
      end = std::move(done);
      loop->stop();
    });
    EXPECT_TRUE(running) << running.error().text;
    if (!running) return {};
    EXPECT_TRUE(loop->run());
    return *end;
  }

  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
};

TEST_F(ShellTest, BothOutputsComeBackEachByItself) {
  const ShellEnd end = run({.command = "cat; echo wrong >&2", .input = "in\n"});
  EXPECT_EQ(end.failure, "");
  EXPECT_EQ(end.output, "in\n");
  EXPECT_EQ(end.errors, "wrong\n");
  EXPECT_FALSE(end.is_cut);
}

TEST_F(ShellTest, FailuresSayHowItEnded) {
  EXPECT_EQ(run({.command = "echo why >&2; exit 3"}).failure, "exit status 3");
  EXPECT_EQ(run({.command = "no-such-program"}).failure, "exit status 127");
  EXPECT_EQ(run({.command = "exec kill -9 $$"}).failure, "exit status 137");
}

TEST_F(ShellTest, ValuesAreInTheEnvironmentAndNeverCode) {
  const std::string hostile = "$(touch /tmp/owned); `id` \" ' ; exit 9";
  const ShellEnd end = run({.command = "printf '%s|' \"$VALUE\"; cat",
                            .variables = {"VALUE=" + hostile},
                            .input = hostile});
  EXPECT_EQ(end.failure, "");
  EXPECT_EQ(end.output, hostile + "|" + hostile);
}

TEST_F(ShellTest, SecretsOfTheDaemonAreNotInTheEnvironment) {
  ::setenv("FLANNELD_ETCD_PASSWORD", "hunter2", 1);
  ::setenv("FLANNEL_OPTIONS", "--etcd-password=hunter2", 1);  // of the unit
  ::setenv("CONSUL_HTTP_TOKEN", "hunter2", 1);
  ::setenv("NOTIFY_SOCKET", "/run/hunter2", 1);
  ::setenv("IF_NAME", "mine", 1);
  ::setenv("SUBNET", "hunter2", 1);
  const ShellEnd end =
      run({.command = "env", .variables = {"SUBNET=10.5.2.0/24", "FLANNEL_VALUE=ours"}});
  EXPECT_EQ(end.output.find("hunter2"), std::string::npos) << end.output;
  EXPECT_NE(end.output.find("IF_NAME=mine\n"), std::string::npos);
  EXPECT_NE(end.output.find("SUBNET=10.5.2.0/24\n"), std::string::npos);
  EXPECT_NE(end.output.find("FLANNEL_VALUE=ours\n"), std::string::npos);
  EXPECT_NE(end.output.find(":/usr/sbin:/sbin\n"), std::string::npos);
}

TEST_F(ShellTest, LongOutputIsCutAndDoesNotBlockTheCommand) {
  const ShellEnd end = run({.command = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"});
  EXPECT_EQ(end.failure, "");
  EXPECT_EQ(end.output.size(), kMostShellOutput);
  EXPECT_EQ(end.errors.size(), kMostShellOutput);
  EXPECT_TRUE(end.is_cut);
}

TEST_F(ShellTest, TheDeadlineKillsAllThatTheCommandHasStarted) {
  const ShellEnd end = run(
      {.command = "sleep 1000 & echo $!; sleep 1000; echo never", .deadline = milliseconds(1500)});
  EXPECT_EQ(end.failure, "killed, because it did not end within 1 s");
  EXPECT_TRUE(ends(std::stoi(end.output)));
}

TEST_F(ShellTest, ACommandThatWritesWithoutEndIsKilled) {
  const ShellEnd end = run({.command = "yes", .deadline = milliseconds(1500)});
  EXPECT_EQ(end.output.size(), kMostShellOutput);
  EXPECT_NE(end.failure.find("killed"), std::string::npos);
}

TEST_F(ShellTest, WhatRunsOnInTheBackgroundIsNotWaitedFor) {
  const ShellEnd end = run({.command = "sleep 1000 & echo $!"});
  EXPECT_EQ(end.failure, "");
  const int left = std::stoi(end.output);
  EXPECT_EQ(::kill(left, 0), 0) << "a tunnel program of the command's goes on";
  EXPECT_EQ(::kill(left, SIGKILL), 0);
}

TEST_F(ShellTest, ItBeginsInTheFolderAndItsFilesAreItsUsersAlone) {
  const ShellEnd end = run({.command = "pwd; umask", .folder = "/usr"});
  EXPECT_EQ(end.output, "/usr\n0077\n");
}

// A daemon that is killed cannot kill what it runs.
TEST_F(ShellTest, ACommandDiesWithTheDaemon) {
  int ends_of_pipe[2];
  ASSERT_EQ(::pipe(ends_of_pipe), 0);
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    auto own = EpollLoop::open().value();
    std::string command = "sleep 1000 & echo $! >/proc/" + std::to_string(::getpid()) + "/fd/" +
                          std::to_string(ends_of_pipe[1]) + "; sleep 1000";
    const auto running = run_shell(*own, {.command = command}, [](ShellEnd) {});
    (void)own->run();
    ::_exit(0);
  }
  char text[32] = {};
  ASSERT_GT(::read(ends_of_pipe[0], text, sizeof text - 1), 0);
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  EXPECT_TRUE(ends(std::stoi(text)));
  ::close(ends_of_pipe[0]);
  ::close(ends_of_pipe[1]);
}

}  // namespace
}  // namespace flannel::shell_test
