// SPDX-License-Identifier: Apache-2.0
#include "base/lock_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "base/file.h"

namespace flannel::lock_file_test {
namespace {

using Kind = LockFile::Kind;

class LockFileTest : public ::testing::Test {
 protected:
  LockFileTest() {
    char name[] = "/tmp/flannel-lock-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/run/file.lock";
  }
  ~LockFileTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  std::string path_;
};

TEST_F(LockFileTest, ALockExcludesThoseOfOtherOpenFilesUntilItIsClosed) {
  auto first = LockFile::open(path_).value();
  auto second = LockFile::open(path_).value();
  EXPECT_TRUE(first.lock(7, Kind::exclusive).value());
  EXPECT_TRUE(first.lock(7, Kind::exclusive).value()) << "its own";
  EXPECT_FALSE(second.lock(7, Kind::exclusive).value());
  EXPECT_FALSE(second.lock(7, Kind::shared).value());
  EXPECT_TRUE(second.lock(8, Kind::exclusive).value()) << "another byte";
  first.take_fd().reset();
  EXPECT_TRUE(second.lock(7, Kind::exclusive).value());
}

TEST_F(LockFileTest, SharedLocksGoTogetherAndAreSeen) {
  auto first = LockFile::open(path_).value();
  auto second = LockFile::open(path_).value();
  EXPECT_TRUE(first.lock(7, Kind::shared).value());
  EXPECT_TRUE(second.lock(7, Kind::shared).value());
  EXPECT_TRUE(first.locked_by_others(1, 9).value());
  EXPECT_FALSE(first.locked_by_others(1, 6).value());
  EXPECT_FALSE(first.locked_by_others(8, 9).value());
  EXPECT_FALSE(first.locked_to_write(7).value());
  second.unlock(7);
  EXPECT_FALSE(first.locked_by_others(1, 9).value()) << "one's own lock is no other's";
}

TEST_F(LockFileTest, TheFileIsForUsAloneWhateverItWas) {
  ASSERT_TRUE(write_file_atomically(path_, "", 0666));
  ASSERT_TRUE(LockFile::open(path_));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST_F(LockFileTest, ALinkAndAFolderAreNoLockFiles) {
  std::filesystem::create_directories(path_);
  EXPECT_FALSE(LockFile::open(path_));
  std::filesystem::create_symlink(folder_ + "/elsewhere", folder_ + "/link");
  EXPECT_FALSE(LockFile::open(folder_ + "/link"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/elsewhere"));
}

TEST_F(LockFileTest, ANoteIsOneLineAndReplacesTheOneBefore) {
  auto file = LockFile::open(path_).value();
  EXPECT_EQ(file.note(), "");
  file.write_note("process 4711 on a-host-with-a-long-name");
  file.write_note("process 1 on b");
  EXPECT_EQ(LockFile::open(path_)->note(), "process 1 on b");
}

TEST_F(LockFileTest, NamesHaveBytesOfTheirOwnNeverTheFirst) {
  std::set<std::uint64_t> bytes;
  for (int i = 0; i < 1000; ++i)
    bytes.insert(LockFile::byte_of("flannel." + std::to_string(i)));
  EXPECT_EQ(bytes.size(), 1000U);
  EXPECT_GT(*bytes.begin(), 0U);
}

}  // namespace
}  // namespace flannel::lock_file_test
