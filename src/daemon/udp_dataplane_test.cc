// SPDX-License-Identifier: Apache-2.0
// The packet path as a whole, in a network namespace of its own.
#include "daemon/udp_dataplane.h"

#include "support/fresh_netns.h"
#include "support/manual_loop.h"
#include "support/no_threads.h"

namespace flannel::udp_dataplane_test {
namespace {

class UdpDataplaneTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no /dev/net/tun";
    }
    auto opened =
        UdpDataplane::open({.device = "flannel%d",
                            .local = {{IpAddress::v4(192, 0, 2, 1), 8285}},
                            .networks = {*IpPrefix::parse_v4("10.5.0.0/16")},
                            .queues = 1},
                           {.loop = loop_,
                            .on_state = [this] { ++state_changes_; },
                            .take_kept = [](std::string_view) { return std::vector<Fd>(); },
                            .keep = [](std::string_view, std::span<const Fd>) {}});
    ASSERT_TRUE(opened) << opened.error().text;
    path_ = *std::move(opened);
  }
  void publish() {
    path_->publish(std::make_shared<ForwardTable>(
        OverlayHost{.v4 = OwnSubnet{.subnet = *IpPrefix::parse_v4("10.5.1.0/24")}, .mtu = 1472},
        std::vector<OverlayPeer>{}));
  }

  ManualLoop loop_;
  int state_changes_ = 0;
  std::unique_ptr<UdpDataplane> path_;
};

TEST_F(UdpDataplaneTest, WithoutThreadsItIsInTroubleUntilTheyStart) {
  {
    const NoThreads none;
    publish();
    EXPECT_EQ(path_->trouble(), "start a packet thread: Resource temporarily unavailable");
    publish();
    loop_.advance(std::chrono::seconds(5));
    EXPECT_NE(path_->trouble(), "");
  }
  EXPECT_EQ(state_changes_, 1);
  loop_.advance(std::chrono::seconds(1));
  EXPECT_EQ(path_->trouble(), "");
  EXPECT_EQ(state_changes_, 2);
}

TEST_F(UdpDataplaneTest, ADeviceMadeAgainWithoutThreadsIsStillATrouble) {
  publish();
  EXPECT_EQ(path_->trouble(), "");
  {
    const NoThreads none;
    shell("ip link del flannel0");
    while (state_changes_ < 2) {  // the deletion, and the trouble of the new device
      loop_.run_until_idle();
      std::this_thread::yield();
    }
    shell("ip link show flannel0");
    EXPECT_EQ(path_->trouble(), "start a packet thread: Resource temporarily unavailable");
  }
  loop_.advance(std::chrono::seconds(1));
  EXPECT_EQ(path_->trouble(), "");
}

}  // namespace
}  // namespace flannel::udp_dataplane_test
