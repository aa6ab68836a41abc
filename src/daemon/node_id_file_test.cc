// SPDX-License-Identifier: Apache-2.0
#include "daemon/node_id_file.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"

namespace flannel::node_id_file_test {
namespace {

class NodeIdFileTest : public ::testing::Test {
 protected:
  NodeIdFileTest() {
    char name[] = "/tmp/flannel-node-id-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~NodeIdFileTest() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/state/node-id"; }

  std::string folder_;
};

TEST_F(NodeIdFileTest, IsMadeOnceAndKept) {
  const NodeId made = load_or_make_node_id(path()).value();
  EXPECT_EQ(read_file(path()).value(), to_string(made) + "\n");
  EXPECT_EQ(load_or_make_node_id(path()).value(), made);
}

TEST_F(NodeIdFileTest, IsReplacedByAnother) {
  const NodeId first = load_or_make_node_id(path()).value();
  const NodeId second = replace_node_id(path()).value();
  EXPECT_NE(second, first);
  EXPECT_EQ(load_or_make_node_id(path()).value(), second);
}

// A file where the folder should be fails for root, too, as a read-only file system does.
TEST_F(NodeIdFileTest, WithoutAFolderItHoldsForThisProcess) {
  ASSERT_TRUE(write_file_atomically(folder_ + "/state", "a file\n", 0644));
  const auto first = load_or_make_node_id(path());
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_NE(load_or_make_node_id(path()).value(), *first);
  EXPECT_TRUE(replace_node_id("/proc/no-such-folder/node-id"));
}

TEST_F(NodeIdFileTest, WhatIsNoNodeIdIsLeftAsItIs) {
  ASSERT_TRUE(write_file_atomically(path(), "mine\n", 0644));
  EXPECT_FALSE(load_or_make_node_id(path()));
  EXPECT_EQ(read_file(path()).value(), "mine\n");
}

// Containers of one machine have one boot id.
TEST_F(NodeIdFileTest, AnotherNetworkNamespaceIsAnotherBoot) {
  const std::uint32_t here = this_boot().value();
  EXPECT_EQ(this_boot().value(), here);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool moved = ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 || ::unshare(CLONE_NEWNET) == 0;
    ::_exit(moved && this_boot().value() != here ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace flannel::node_id_file_test
