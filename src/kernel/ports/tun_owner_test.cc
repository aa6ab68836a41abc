// SPDX-License-Identifier: Apache-2.0
// Which users can attach to the TUN device.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "kernel/ports/tun.h"
#include "kernel/ports/tun_queue.h"
#include "support/fresh_netns.h"

namespace flannel::tun_owner_test {
namespace {

class TunOwnerTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped() && ::access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no /dev/net/tun";
    }
  }

  // The errno when an unprivileged user attaches to flannel0; 0: success.
  static int attach_as_nobody(int queues) {
    int code = 0;
    const Fd queue{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
    std::thread([&] {
      constexpr uid_t kNobody = 65534;
      // The system call changes only this thread; the C library's function changes all threads.
      if (::syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0) std::abort();
      ifreq request{};
      std::strcpy(request.ifr_name, "flannel0");
      request.ifr_flags = IFF_TUN | IFF_NO_PI | (queues > 1 ? IFF_MULTI_QUEUE : 0);
      if (::ioctl(queue.get(), TUNSETIFF, &request) != 0) code = errno;
    }).join();
    return code;
  }
};

TEST_F(TunOwnerTest, NoOtherUserMayAttachWhetherWeRunOrNot) {
  for (const int queues : {1, 2}) {
    {
      const auto device = open_tun({.queues = queues, .persistent = true});
      ASSERT_TRUE(device) << device.error().text;
      EXPECT_EQ(attach_as_nobody(queues), EPERM) << queues;
    }
    EXPECT_EQ(attach_as_nobody(queues), EPERM) << queues;
    shell("ip link del flannel0");
  }
}

TEST_F(TunOwnerTest, ADeviceThatHadNoOwnerIsOursOnceItIsAdopted) {
  shell("ip tuntap add flannel0 mode tun");
  {
    const auto device = open_tun({.persistent = true});
    ASSERT_TRUE(device) << device.error().text;
    EXPECT_TRUE(device->adopted);
  }
  EXPECT_EQ(attach_as_nobody(1), EPERM);
}

TEST_F(TunOwnerTest, ADeviceWhoseQueuesWereKeptIsOursAsWell) {
  auto queue = attach_tun_queue("flannel0", IFF_TUN | IFF_NO_PI);
  ASSERT_TRUE(queue) << queue.error().text;
  std::vector<Fd> kept;
  kept.push_back(*std::move(queue));
  const auto device = resume_tun(std::move(kept), {});
  ASSERT_TRUE(device) << device.error().text;
  EXPECT_EQ(attach_as_nobody(1), EPERM);
}

}  // namespace
}  // namespace flannel::tun_owner_test
