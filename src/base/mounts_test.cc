// SPDX-License-Identifier: Apache-2.0
// Files as containers have them: mounts of one file, read-only folders, other users' links. As
// root.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.h"

namespace flannel::mounts_test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

// A file system in memory at /tmp/flannel-mounts-…, in a mount namespace of the test's own.
class MountsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "run this as root";
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    char name[] = "/tmp/flannel-mounts-XXXXXX";
    folder_ = ::mkdtemp(name);
    ASSERT_EQ(::mount("none", folder_.c_str(), "tmpfs", 0, nullptr), 0);
    fs::create_directory(folder_ + "/host");
    fs::create_directory(folder_ + "/container");
    host_ = folder_ + "/host/subnet.env";
    file_ = folder_ + "/container/subnet.env";
  }
  void TearDown() override {
    ::umount2(folder_.c_str(), MNT_DETACH);
    fs::remove(folder_);
  }

  void mount_the_file() {
    write(host_, "");
    write(file_, "");
    ASSERT_EQ(::mount(host_.c_str(), file_.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  void make_read_only(const std::string& folder) {
    ASSERT_EQ(::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND | MS_REC, nullptr), 0);
    ASSERT_EQ(::mount(nullptr, folder.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr),
              0);
  }
  static void write(const std::string& path, const std::string& text) {
    const auto written = write_file_atomically(path, text, 0644);
    ASSERT_TRUE(written) << written.error().text;
  }
  static std::size_t files_in(const std::string& folder) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }

  std::string folder_;
  std::string host_;
  std::string file_;
};

TEST_F(MountsTest, AFileThatIsAMountIsWrittenInPlaceAndLeavesNothingBeside) {
  mount_the_file();
  EXPECT_EQ(write_file_atomically(file_, "a long text\nof two lines\n", 0640), Written::in_place);
  EXPECT_EQ(read_file(host_).value(), "a long text\nof two lines\n");
  EXPECT_EQ(write_file_atomically(file_, "short\n", 0644), Written::in_place);
  EXPECT_EQ(read_file(host_).value(), "short\n");
  struct stat status {};
  ASSERT_EQ(::stat(host_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644U);
  EXPECT_EQ(files_in(folder_ + "/container"), 1U);
}

TEST_F(MountsTest, AMountOfOneFileIsWrittenThoughItsFolderIsReadOnly) {
  mount_the_file();
  make_read_only(folder_ + "/container");
  EXPECT_EQ(write_file_atomically(file_, "text\n", 0644), Written::in_place);
  EXPECT_EQ(read_file(host_).value(), "text\n");
}

TEST_F(MountsTest, ALinkToAFileThatIsAMountIsFollowed) {
  mount_the_file();
  fs::create_symlink("container/subnet.env", folder_ + "/link");
  EXPECT_EQ(write_file_atomically(folder_ + "/link", "text\n", 0644), Written::in_place);
  EXPECT_EQ(read_file(host_).value(), "text\n");
}

TEST_F(MountsTest, AReadOnlyFolderOrFileIsAnErrorThatNamesIt) {
  write(file_, "old\n");
  make_read_only(folder_ + "/container");
  EXPECT_EQ(write_file_atomically(file_, "new\n", 0644).error().text,
            "create a temporary file beside " + file_ + ": Read-only file system");
  EXPECT_EQ(write_file_atomically(folder_ + "/container/a/b", "", 0644).error().text,
            "create directory " + folder_ + "/container/a: Read-only file system");
  EXPECT_EQ(read_file(file_).value(), "old\n");
}

TEST_F(MountsTest, ALinkOfAnotherUserLeadsNowhereAndIsReplaced) {
  write(host_, "root's\n");
  fs::create_symlink(host_, file_);
  ASSERT_EQ(::lchown(file_.c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(write_file_atomically(file_, "ours\n", 0644), Written::replaced);
  EXPECT_EQ(read_file(host_).value(), "root's\n");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(file_)));
}

TEST_F(MountsTest, ADirectoryThatIsAMountIsNamedAsWhatItIs) {
  fs::create_directory(file_);
  ASSERT_EQ(::mount("none", file_.c_str(), "tmpfs", 0, nullptr), 0);
  const auto done = write_file_atomically(file_, "", 0644);
  EXPECT_EQ(done.error().kind, ErrorKind::invalid);
  EXPECT_NE(done.error().text.find(": it is a directory; remove it"), std::string::npos);
}

}  // namespace
}  // namespace flannel::mounts_test
