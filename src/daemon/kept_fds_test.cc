// SPDX-License-Identifier: Apache-2.0
#include "daemon/kept_fds.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace flannel::kept_fds_test {
namespace {

// Descriptors in a row, as a service manager hands them over.
class KeptFdsTest : public testing::Test {
 protected:
  static constexpr int kFirst = 200;
  static void open(int count) {
    for (int n = 0; n < count; ++n) {
      const Fd fd{::open("/dev/null", O_RDONLY)};
      ASSERT_EQ(::fcntl(fd.get(), F_DUPFD, kFirst + n), kFirst + n);
    }
  }
  static bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
};

TEST_F(KeptFdsTest, AreTakenByName) {
  open(3);
  KeptFds kept = KeptFds::parse("3", "queues:sockets:queues", kFirst);
  const auto queues = kept.take("queues");
  ASSERT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues[0].get(), kFirst);
  EXPECT_EQ(queues[1].get(), kFirst + 2);
  EXPECT_EQ(::fcntl(queues[0].get(), F_GETFD), FD_CLOEXEC) << "not for our children";
  EXPECT_TRUE(kept.take("queues").empty()) << "only once";
  EXPECT_EQ(kept.take("sockets").size(), 1u);
}

TEST_F(KeptFdsTest, ThatAreNotTakenAreClosed) {
  open(1);
  KeptFds::parse("1", "queues", kFirst);
  EXPECT_FALSE(is_open(kFirst));
}

TEST_F(KeptFdsTest, AreNoneIfTheVariablesAreMalformed) {
  for (const auto& [count, names] : {std::pair{"", ""}, {"1", "a:b"}, {"x", "a"}, {"99999", "a"}}) {
    EXPECT_TRUE(KeptFds::parse(count, names, kFirst).take("a").empty()) << count;
  }
}

}  // namespace
}  // namespace flannel::kept_fds_test
