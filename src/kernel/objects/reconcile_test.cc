// SPDX-License-Identifier: Apache-2.0
// The reconciler with the real kernel: checks what FakeKernel assumes about Linux.
#include "plan/reconciler.h"

#include <gtest/gtest.h>

#include "support/kernel_test.h"

namespace flannel::reconcile_test {
namespace {

class ReconcileTest : public LinuxKernelTest {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (IsSkipped()) return;
    reconciler_.emplace(*kernel_);
    wish(device(vxlan()));
  }

  void wish(const Link& link) {
    NetState host;
    host.links.push_back(link);
    host.addresses.push_back(address());
    wanted_ = host;
    reconciler_->set_host({.link_names = {"flannel.1"}, .networks = {IpPrefix::of(base(0), 8)}},
                          host);
  }

  void wish_peers(unsigned first, unsigned count) {
    std::vector<std::pair<IpPrefix, NetState>> all;
    for (unsigned number = first; number < first + count; ++number)
      all.emplace_back(route(number).to, peers(number, 1));
    reconciler_->set_peers(std::move(all), now_);
    peers_ = peers(first, count);
  }

  // Syncs and expects that the kernel is as desired and that a second sync changes nothing.
  void expect_mended() {
    now_ += std::chrono::minutes(2);
    const auto synced = reconciler_->sync(now_);
    ASSERT_TRUE(synced) << synced.error().text;
    EXPECT_TRUE(reconciler_->unmet().empty()) << reconciler_->unmet().begin()->second;
    NetState all = wanted_;
    for (KernelObject& object : objects_of(peers_))
      flannel::add(all, std::move(object));
    EXPECT_EQ(dump(read()), dump(all));
    const std::uint64_t before = reconciler_->counters().changes;
    ASSERT_TRUE(reconciler_->sync(now_));
    EXPECT_EQ(reconciler_->counters().changes, before);
  }

  std::optional<Reconciler> reconciler_;
  TimePoint now_{std::chrono::hours(1)};
  NetState wanted_;
  NetState peers_;
};

TEST_F(ReconcileTest, AClusterBeyondThePlainRoutesNeedsOneSync) {
  wish_peers(2, 600);
  expect_mended();
}

TEST_F(ReconcileTest, MendsWhateverOthersTakeAway) {
  wish_peers(2, 300);
  expect_mended();
  for (const char* const harm :
       {"ip link del flannel.1", "ip link set flannel.1 down", "ip link set flannel.1 mtu 1300",
        "ip address del 10.5.1.0/32 dev flannel.1", "ip nexthop flush proto 250",
        "ip nexthop flush proto 250; ip route flush proto 250",
        "ip neigh flush dev flannel.1 nud permanent", "bridge fdb flush dev flannel.1",
        "ip link set flannel.1 address 02:00:00:00:00:99",
        "ip link del flannel.1; ip link add flannel.1 type vxlan id 77 dstport 4789 dev eth0"}) {
    SCOPED_TRACE(harm);
    shell(harm);
    expect_mended();
  }
}

TEST_F(ReconcileTest, AChangedDeviceKeepsOrRegainsAllThatIsOnIt) {
  wish_peers(2, 300);
  expect_mended();
  VxlanSettings changed = vxlan();
  changed.mac = mac(9999);
  wish(device(changed));
  expect_mended();
  changed.vni = 7;
  wish(device(changed));
  expect_mended();
}

TEST_F(ReconcileTest, PeersLeaveNothingBehind) {
  wish_peers(2, 300);
  expect_mended();
  for (unsigned number = 2; number < 302; ++number)
    reconciler_->set_peers({{route(number).to, {}}}, now_);
  peers_ = {};
  EXPECT_EQ(shell("ip route show proto 250; ip nexthop; ip neigh show dev flannel.1; bridge fdb "
                  "show dev flannel.1"),
            "");
  expect_mended();
}

}  // namespace
}  // namespace flannel::reconcile_test
