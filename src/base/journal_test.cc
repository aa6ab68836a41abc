// SPDX-License-Identifier: Apache-2.0
#include "base/journal.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/log.h"
#include "support/temporary_folder.h"

namespace flannel::journal_test {
namespace {

// The socket stands for a journald, which reads only when a test calls for it.
class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    stream = Fd{ends[0]};
    stream_end = Fd{ends[1]};
    journal.emplace(path, stream.get());
    EXPECT_TRUE(journal->open_socket());
  }
  void listen() {
    socket = Fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  }
  void stop() {
    socket.reset();
    ::unlink(path.c_str());
  }
  // The next datagram, or what is in the stream; empty: nothing.
  static std::string next(const Fd& from) {
    std::string buffer(1 << 20, '\0');
    const ssize_t size = ::recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    buffer.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return buffer;
  }
  // All that was written: datagrams, then lines.
  std::size_t arrived() {
    std::size_t count = 0;
    while (!next(socket).empty())
      ++count;
    for (std::string part = next(stream_end); !part.empty(); part = next(stream_end))
      count += static_cast<std::size_t>(std::ranges::count(part, '\n'));
    return count;
  }

  TemporaryFolder folder;
  std::string path = folder.path() + "/socket";
  Fd socket, stream, stream_end;
  std::optional<Journal> journal;
};

TEST_F(JournalTest, AnEntryArrivesAlsoAtTheNextJournald) {
  listen();
  journal->take("MESSAGE=one\n", "<6>one\n");
  EXPECT_EQ(next(socket), "MESSAGE=one\n");
  stop();
  journal->take("MESSAGE=two\n", "<6>two\n");
  EXPECT_EQ(next(stream_end), "<6>two\n") << "no journald listens";
  listen();
  journal->take("MESSAGE=three\n", "<6>three\n");
  EXPECT_EQ(next(socket), "MESSAGE=three\n");
  EXPECT_EQ(next(stream_end), "");
}

TEST_F(JournalTest, WhatTheQueueOfDatagramsDoesNotHoldGoesToTheStream) {
  listen();
  std::string line;
  for (int i = 0; i < 5000 && line.empty(); ++i) {
    journal->take("MESSAGE=x\n", "<6>x\n");
    line = next(stream_end);
  }
  EXPECT_EQ(line, "<6>x\n");
  EXPECT_EQ(next(socket), "MESSAGE=x\n");
  journal->take("MESSAGE=y\n", "<6>y\n");
  EXPECT_EQ(next(stream_end), "") << "there is room again";
}

TEST_F(JournalTest, AJournaldThatDoesNotReadHoldsNobodyUp) {
  listen();
  constexpr std::size_t kLines = 20'000;  // more than the stream holds
  for (std::size_t i = 0; i < kLines; ++i)
    journal->take("MESSAGE=x\n", "<6>x\n");
  const std::size_t written = arrived();
  ASSERT_LT(written, kLines);
  journal->take("MESSAGE=after\n", "<6>after\n");
  EXPECT_EQ(next(socket), fmt::format("MESSAGE={} lines are missing here, because the journal did "
                                      "not take them in time\nPRIORITY=4\n"
                                      "SYSLOG_IDENTIFIER=flanneld\n",
                                      kLines - written));
  EXPECT_EQ(next(socket), "MESSAGE=after\n");
  journal->take("MESSAGE=later\n", "<6>later\n");
  EXPECT_EQ(next(socket), "MESSAGE=later\n") << "the number is reported once";
}

TEST_F(JournalTest, OnlyTheStreamThatSystemdMadeLeadsToTheJournal) {
  struct stat found {};
  ASSERT_EQ(::fstat(STDERR_FILENO, &found), 0);
  const std::string ours = fmt::format("{}:{}", found.st_dev, found.st_ino);
  EXPECT_TRUE(is_journal_stream(ours, STDERR_FILENO));
  EXPECT_FALSE(
      is_journal_stream(fmt::format("{}:{}", found.st_dev, found.st_ino + 1), STDERR_FILENO))
      << "standard error was redirected";
  EXPECT_FALSE(is_journal_stream("", STDERR_FILENO));
  EXPECT_FALSE(is_journal_stream(ours, -1));
}

TEST(LogFormatTest, LinesAreJsonWhereThatIsAsked) {
  ::testing::internal::CaptureStderr();
  log::set_format(log::Format::json);
  log::error("no lease", {{"subnet", "10.5.1.0/24"}});
  log::set_format(log::Format::text);
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(line.starts_with(R"({"time":"2)")) << line;
  EXPECT_TRUE(line.ends_with("\"fields\":{\"subnet\":\"10.5.1.0/24\"}}\n")) << line;
}

TEST(LogFormatTest, WithoutTheJournalTheAutomaticFormatIsText) {
  ::testing::internal::CaptureStderr();
  log::set_format(log::Format::automatic);
  log::info("lease taken", {{"subnet", "10.5.1.0/24"}});
  log::set_format(log::Format::text);
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(line.ends_with("] lease taken subnet=10.5.1.0/24\n")) << line;
}

}  // namespace
}  // namespace flannel::journal_test
