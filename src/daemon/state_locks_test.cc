// SPDX-License-Identifier: Apache-2.0
#include "daemon/state_locks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/lock_file.h"

namespace flannel::state_locks_test {
namespace {

// One process is one host here; tests/hosts has two of them.
class StateLocksTest : public ::testing::Test {
 protected:
  StateLocksTest() {
    char name[] = "/tmp/flannel-state-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~StateLocksTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(StateLocksTest, DaemonsOfOneHostShareAStateFolder) {
  const auto first = lock_state_folder(folder_ + "/state");
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_TRUE(lock_state_folder(folder_ + "/state"));
}

TEST_F(StateLocksTest, AnotherHostIsRefusedWithTheRemedy) {
  auto other = LockFile::open(folder_ + "/state.lock").value();
  ASSERT_TRUE(other.lock(LockFile::byte_of("another host"), LockFile::Kind::shared).value());
  other.write_note("process 4711 on node-a");
  const auto refused = lock_state_folder(folder_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::exists);
  EXPECT_EQ(refused.error().text,
            "the state folder " + folder_ +
                " is in use by a flanneld of another network namespace or machine (taken last by "
                "process 4711 on node-a); two hosts with one state folder have one node id and "
                "one MAC address, so neither would get its packets: give each host a folder of "
                "its own with --state-dir=");
  other.take_fd().reset();
  EXPECT_TRUE(lock_state_folder(folder_));
}

// The bytes of two hosts are numbers without an order.
TEST_F(StateLocksTest, AnotherHostIsFoundBeforeAndBehindOurOwnByte) {
  for (const std::uint64_t byte : {std::uint64_t{1}, std::uint64_t{1} << 61}) {
    auto other = LockFile::open(folder_ + "/state.lock").value();
    ASSERT_TRUE(other.lock(byte, LockFile::Kind::shared).value());
    EXPECT_FALSE(lock_state_folder(folder_)) << byte;
  }
}

TEST_F(StateLocksTest, ASubnetFileBelongsToOneDaemonByWhateverPath) {
  std::filesystem::create_directory(folder_ + "/run");
  std::filesystem::create_directory_symlink("run", folder_ + "/link");
  std::filesystem::create_symlink("run/subnet.env", folder_ + "/file");
  const std::string file = folder_ + "/run/subnet.env";
  {
    const auto first = lock_subnet_file(file);
    ASSERT_TRUE(first) << first.error().text;
    for (const std::string& path :
         {file, folder_ + "/link/subnet.env", folder_ + "/file", folder_ + "/run/./subnet.env"}) {
      const auto second = lock_subnet_file(path);
      ASSERT_FALSE(second) << path;
      EXPECT_EQ(second.error().text,
                "the subnet file " + path +
                    " belongs to another flanneld that runs; each would overwrite what the other "
                    "has written there: give each a file of its own with --subnet-file=");
    }
    EXPECT_TRUE(lock_subnet_file(folder_ + "/run/other.env"));
  }
  EXPECT_TRUE(lock_subnet_file(file)) << "with its daemon the lock ends";
}

// As a file that is mounted into several containers, which is never replaced.
TEST_F(StateLocksTest, AFileMountedIntoTwoFoldersBelongsToOneDaemon) {
  for (const char* one : {"/a", "/b"})
    std::filesystem::create_directory(folder_ + one);
  const std::string a = folder_ + "/a/subnet.env", b = folder_ + "/b/subnet.env";
  ASSERT_TRUE(write_file_atomically(a, "", 0644));
  std::filesystem::create_hard_link(a, b);
  {
    const auto first = lock_subnet_file(a);
    EXPECT_TRUE(first);
    EXPECT_FALSE(lock_subnet_file(b));
  }
  auto reader = LockFile::of(a).value();
  ASSERT_TRUE(reader.lock(LockFile::byte_of("itself"), LockFile::Kind::shared).value());
  EXPECT_TRUE(lock_subnet_file(b)) << "every user could have such a lock";
}

TEST_F(StateLocksTest, WhereNothingCanBeLockedItIsNotTaken) {
  const auto nowhere = lock_subnet_file("/proc/no-such-folder/subnet.env");
  EXPECT_TRUE(nowhere) << nowhere.error().text;
  EXPECT_TRUE(lock_state_folder("/proc/no-such-folder"));
}

}  // namespace
}  // namespace flannel::state_locks_test
