// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/result.h"
#include "base/shared.h"
#include "support/temporary_folder.h"

namespace flannel::base_test {
namespace {

Result<int> twice(Result<int> number) {
  return 2 * TRY(std::move(number));
}

TEST(ResultTest, TryPassesTheErrorOn) {
  EXPECT_EQ(twice(21).value(), 42);
  const auto failed = twice(fail(ErrorKind::conflict, "taken"));
  EXPECT_EQ(failed.error().kind, ErrorKind::conflict);
  EXPECT_EQ(failed.error().text, "taken");
}

TEST(ResultTest, AnErrorNamesTheOperation) {
  Error error = os_error("netlink RTM_NEWLINK", EPERM).value();
  EXPECT_EQ(std::move(error).during("create flannel.1").text,
            "create flannel.1: netlink RTM_NEWLINK: Operation not permitted");
}

TEST(SharedTest, CopiesAreOneObjectAndOthersAreComparedByTheirValue) {
  const Shared<std::string> one(std::string("a text that is longer than a short string"));
  const Shared<std::string> copy = one;
  const Shared<std::string> equal(std::string("a text that is longer than a short string"));
  EXPECT_EQ(&*copy, &*one);
  EXPECT_NE(&*equal, &*one);
  EXPECT_TRUE(copy == one);
  EXPECT_TRUE(equal == one);
  EXPECT_FALSE(one == Shared<std::string>(std::string("another text")));
}

TEST(ParseTest, DecimalTakesOnlyPlainNumbersThatFit) {
  EXPECT_EQ(parse_decimal<std::uint8_t>("255"), 255);
  EXPECT_EQ(parse_decimal<std::uint8_t>("0"), 0);
  for (const char* bad : {"", "256", "-1", "+1", " 1", "1 ", "01", "1x", "0x1"}) {
    EXPECT_FALSE(parse_decimal<std::uint8_t>(bad)) << bad;
  }
}

TEST(ParseTest, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
}

TEST(FdTest, MovesAndCloses) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd reader{ends[0]};
  {
    Fd writer{ends[1]};
    Fd moved = std::move(writer);
    EXPECT_FALSE(writer);  // NOLINT(bugprone-use-after-move): the moved-from state is the point
    EXPECT_TRUE(moved);
  }
  char byte;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0) << "the write end is closed";
}

TEST(FileTest, AnAtomicWriteLeavesOneFileWithTheMode) {
  TemporaryFolder folder;
  const std::string path = folder.path() + "/deep/down/subnet.env";
  const mode_t old = ::umask(0077);
  ASSERT_TRUE(write_file_atomically(path, "one\n", 0644));
  ASSERT_TRUE(write_file_atomically(path, "two\n", 0644));
  ::umask(old);
  EXPECT_EQ(read_file(path).value(), "two\n");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644U);
  int entries = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(folder.path() + "/deep/down")) {
    ++entries;
  }
  EXPECT_EQ(entries, 1) << "no temporary file stays behind";
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

TEST(FileTest, ALinkOfOurOwnStaysAndItsTargetIsReplaced) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() + "/real");
  ASSERT_TRUE(write_file_atomically(folder.path() + "/real/file", "old\n", 0644));
  std::filesystem::create_symlink("real/file", folder.path() + "/second");
  std::filesystem::create_symlink(folder.path() + "/second", folder.path() + "/first");
  const auto before = status_of(folder.path() + "/real/file").st_ino;
  EXPECT_EQ(write_file_atomically(folder.path() + "/first", "new\n", 0644), Written::replaced);
  EXPECT_TRUE(S_ISLNK(status_of(folder.path() + "/first").st_mode));
  EXPECT_TRUE(S_ISLNK(status_of(folder.path() + "/second").st_mode));
  EXPECT_EQ(read_file(folder.path() + "/real/file").value(), "new\n");
  EXPECT_NE(status_of(folder.path() + "/real/file").st_ino, before) << "in one step";
}

TEST(FileTest, ALinkToAFileThatIsNotThereYetMakesIt) {
  TemporaryFolder folder;
  std::filesystem::create_symlink("there/file", folder.path() + "/link");
  EXPECT_TRUE(write_file_atomically(folder.path() + "/link", "new\n", 0644));
  EXPECT_EQ(read_file(folder.path() + "/there/file").value(), "new\n");
}

TEST(FileTest, CircularLinksAreAnErrorThatNamesThem) {
  TemporaryFolder folder;
  std::filesystem::create_symlink("b", folder.path() + "/a");
  std::filesystem::create_symlink("a", folder.path() + "/b");
  const auto done = write_file_atomically(folder.path() + "/a", "new\n", 0644);
  EXPECT_NE(done.error().text.find("its symbolic links go in a circle"), std::string::npos)
      << done.error().text;
}

TEST(FileTest, AnObstacleIsNamedWithTheRemedy) {
  TemporaryFolder folder;
  const std::string at = folder.path();
  std::filesystem::create_directory(at + "/subnet.env");
  std::filesystem::create_symlink("nowhere", at + "/run");
  ASSERT_TRUE(write_file_atomically(at + "/plain", "", 0644));
  EXPECT_EQ(write_file_atomically(at + "/subnet.env", "", 0644).error().text,
            "write " + at +
                "/subnet.env: it is a directory; remove it, or name another file (a "
                "container engine makes one where the file to mount is missing)");
  EXPECT_EQ(write_file_atomically(at + "/run/flannel/subnet.env", "", 0644).error().text,
            "create directory " + at +
                "/run: it is a symbolic link to nowhere, which is no "
                "directory; make that directory or remove the link");
  EXPECT_EQ(write_file_atomically(at + "/plain/subnet.env", "", 0644).error().text,
            "create directory " + at + "/plain: there is a file of that name");
}

TEST(FileTest, AMissingFileIsNotFoundAndABigOneIsRefused) {
  TemporaryFolder folder;
  EXPECT_EQ(read_file(folder.path() + "/none").error().kind, ErrorKind::not_found);
  ASSERT_TRUE(write_file_atomically(folder.path() + "/big", std::string(100, 'x'), 0600));
  EXPECT_EQ(read_file(folder.path() + "/big", 99).error().kind, ErrorKind::invalid);
}

TEST(LogTest, AForeignTextCannotForgeALine) {
  ::testing::internal::CaptureStderr();
  log::info("lease\nrenewed", {{"subnet", "10.5.1.0/24"}, {"value", "a\nE1122 \"b\""}, {"n", 7}});
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find("] lease\\nrenewed subnet=10.5.1.0/24 value=\"a\\nE1122 \\\"b\\\"\" n=7\n"),
            std::string::npos)
      << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(line[0], 'I');
}

TEST(LogTest, LinesBelowTheLeastLevelAreDropped) {
  ::testing::internal::CaptureStderr();
  log::set_least_level(log::Level::warning);
  log::info("dropped");
  log::warning("kept");
  log::set_least_level(log::Level::info);
  log::info("back");
  const std::string lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(lines.find("dropped"), std::string::npos);
  EXPECT_NE(lines.find("kept"), std::string::npos);
  EXPECT_NE(lines.find("back"), std::string::npos);
}

TEST(TemporaryFolderTest, TheFolderOfAKilledProcessIsRemovedByTheNext) {
  int path[2];
  ASSERT_EQ(::pipe(path), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const TemporaryFolder folder;
    const std::string made = folder.path();
    ::_exit(::write(path[1], made.data(), made.size()) > 0 ? 0 : 1);  // runs no destructor
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  char text[100] = {};
  ASSERT_GT(::read(path[0], text, sizeof text - 1), 0);
  ::close(path[0]);
  ::close(path[1]);
  EXPECT_TRUE(std::filesystem::exists(text));
  const TemporaryFolder ours;
  TemporaryFolder::remove_abandoned();
  EXPECT_FALSE(std::filesystem::exists(text));
  EXPECT_TRUE(std::filesystem::exists(ours.path())) << "a folder in use stays";
}

}  // namespace
}  // namespace flannel::base_test
