// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/net_admin.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace flannel::net_admin_test {
namespace {

void give_up_net_admin() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  ASSERT_EQ(::syscall(SYS_capget, &header, &sets), 0);
  sets[0].effective &= ~CAP_TO_MASK(CAP_NET_ADMIN);
  ASSERT_EQ(::syscall(SYS_capset, &header, &sets), 0);
}

TEST(NetAdminTest, IsNamedOnlyWhereItIsMissing) {
  EXPECT_EQ(missing_net_admin(), "") << "the tests of the kernel run as root";
  std::string without;
  std::thread([&] {  // capabilities belong to a thread
    give_up_net_admin();
    without = missing_net_admin();
  })
      .join();
  EXPECT_NE(without.find("CAP_NET_ADMIN is missing"), std::string::npos) << without;
  EXPECT_NE(without.find("--cap-add NET_ADMIN"), std::string::npos);
}

}  // namespace
}  // namespace flannel::net_admin_test
