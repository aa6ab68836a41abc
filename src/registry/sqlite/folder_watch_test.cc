// SPDX-License-Identifier: Apache-2.0
#include "registry/sqlite/folder_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
#include <fstream>

namespace flannel::folder_watch_test {
namespace {

class FolderWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "folder-watch-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    write("leases.db");
    auto opened = FolderWatch::open(folder_ / "leases.db");
    ASSERT_TRUE(opened) << opened.error().text;
    watch_.emplace(std::move(*opened));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const char* name) { std::ofstream(folder_ / name) << "something"; }
  bool has_events() {
    pollfd one{watch_->fd(), POLLIN, 0};
    return ::poll(&one, 1, 0) > 0;
  }

  std::filesystem::path folder_;
  std::optional<FolderWatch> watch_;
};

TEST_F(FolderWatchTest, ReportsChangesOfItsFileOnly) {
  write("another");
  EXPECT_FALSE(watch_->take());
  write("leases.db");
  EXPECT_TRUE(watch_->take());
  EXPECT_FALSE(has_events());
}

TEST_F(FolderWatchTest, ManyChangesOfOtherFilesAreReadInSeveralTurns) {
  for (int n = 0; n < 3000; ++n)
    write(n % 2 == 0 ? "another" : "one more");
  write("leases.db");
  EXPECT_FALSE(watch_->take()) << "it has not come that far";
  int turns = 1;
  while (has_events() && !watch_->take())
    ++turns;
  EXPECT_GT(turns, 1);
  EXPECT_FALSE(has_events());
}

}  // namespace
}  // namespace flannel::folder_watch_test
