// SPDX-License-Identifier: Apache-2.0
#include "daemon/drained_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "loop/epoll_loop.h"
#include "support/temporary_folder.h"

namespace flannel::drained_file_test {
namespace {

using std::chrono::seconds;

class DrainedFileTest : public ::testing::Test {
 protected:
  DrainedFileTest() : loop_(EpollLoop::open().value()) {}

  std::string path() const { return folder_ + "/drained"; }
  void open() {
    file_.emplace(*loop_, folder_, [this](const std::optional<DrainNote>& note) {
      said_ += note ? to_string(*note) + "|" : "no longer|";
      loop_->stop();
    });
  }
  // Runs the loop until the file is reported.
  std::string next() {
    const auto late = loop_->at(BootClock::now() + seconds(20), [this] { loop_->stop(); });
    EXPECT_TRUE(loop_->run());
    return std::exchange(said_, {});
  }
  void write(const std::string& text) { ASSERT_TRUE(write_file_atomically(path(), text, 0644)); }

  TemporaryFolder temporary_;
  std::string folder_ = temporary_.path() + "/state";
  std::unique_ptr<EpollLoop> loop_;
  std::optional<DrainedFile> file_;
  std::string said_;
};

TEST_F(DrainedFileTest, IsReadAtTheStartAndFollowed) {
  std::filesystem::create_directory(folder_);
  write("today root\n");
  open();
  ASSERT_TRUE(file_->note());
  EXPECT_EQ(to_string(*file_->note()), "drained since today by root");
  std::filesystem::remove(path());
  EXPECT_EQ(next(), "no longer|");
  write("now root\n");
  EXPECT_EQ(next(), "drained since now by root|");
}

TEST_F(DrainedFileTest, OtherFilesOfTheFolderChangeNothing) {
  std::filesystem::create_directory(folder_);
  open();
  EXPECT_FALSE(file_->note());
  ASSERT_TRUE(write_file_atomically(folder_ + "/node-id", "x", 0644));
  write("now root\n");
  EXPECT_EQ(next(), "drained since now by root|");
}

TEST_F(DrainedFileTest, AFolderMayBeMadeLaterAndMayBeReplaced) {
  open();
  EXPECT_FALSE(file_->note());
  std::filesystem::create_directory(folder_);
  write("now root\n");
  EXPECT_EQ(next(), "drained since now by root|");
  std::filesystem::remove_all(folder_);
  EXPECT_EQ(next(), "no longer|");
  std::filesystem::create_directory(folder_);
  write("again root\n");
  EXPECT_EQ(next(), "drained since again by root|");
}

TEST_F(DrainedFileTest, WhatCannotBeReadCounts) {
  std::filesystem::create_directories(path());
  open();
  ASSERT_TRUE(file_->note());
  EXPECT_EQ(to_string(*file_->note()), "drained");
}

}  // namespace
}  // namespace flannel::drained_file_test
