// SPDX-License-Identifier: Apache-2.0
#include "daemon/process_limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace flannel::process_limits_test {
namespace {

class DescriptorLimitTest : public testing::Test {
 protected:
  DescriptorLimitTest() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimitTest() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

  rlimit before_{};
};

TEST_F(DescriptorLimitTest, TheSoftLimitIsRaisedToTheHardOne) {
  const rlimit low{100, before_.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  ASSERT_TRUE(raise_descriptor_limit().has_value());
  rlimit now{};
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, before_.rlim_max);
}

TEST_F(DescriptorLimitTest, AHardLimitThatIsTooLowIsRefusedWithTheNumberNeeded) {
  const auto raised = raise_descriptor_limit(before_.rlim_max + 1);
  ASSERT_FALSE(raised.has_value());
  EXPECT_EQ(
      raised.error().text,
      "this process may open " + std::to_string(before_.rlim_max) + " files, and flanneld needs " +
          std::to_string(before_.rlim_max + 1) +
          ": raise the limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of Docker)");
}

}  // namespace
}  // namespace flannel::process_limits_test
