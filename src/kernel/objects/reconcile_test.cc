// SPDX-License-Identifier: Apache-2.0
// The reconciler with the real kernel: checks what FakeKernel assumes about Linux.
#include "plan/reconciler.h"

#include <gtest/gtest.h>

#include "support/kernel_test.h"

namespace flannel::reconcile_test {
namespace {

class ReconcileTest : public LinuxKernelTest, public testing::WithParamInterface<Family> {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (IsSkipped()) return;
    use(GetParam());
    reconciler_.emplace(*kernel_);
    wish(device(vxlan()));
  }

  void wish(const Link& link) {
    NetState host;
    host.links.push_back(link);
    host.addresses.push_back(address());
    wanted_ = host;
    const std::uint8_t bits = is_v4() ? 8 : 32;
    reconciler_->set_host({.link_names = {link_}, .networks = {IpPrefix::of(base(0), bits)}}, host);
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

TEST_P(ReconcileTest, AClusterBeyondThePlainRoutesNeedsOneSync) {
  wish_peers(2, 600);
  expect_mended();
}

TEST_P(ReconcileTest, MendsWhateverOthersTakeAway) {
  wish_peers(2, 300);
  expect_mended();
  const std::string ip = is_v4() ? "ip -4 " : "ip -6 ";
  const std::string to = to_string(subnet(2));
  std::vector<std::string> harms = {
      "ip link del " + link_,
      "ip link set " + link_ + " down",
      "ip link set " + link_ + " mtu 1300",
      ip + "address flush dev " + link_,
      "ip nexthop flush proto 250",
      "ip nexthop flush proto 250; " + ip + "route flush proto 250",
      ip + "route replace " + to + " dev eth0",
      ip + "route append " + to + " via " + to_string(local().plus(8)) + " dev eth0 proto 250",
      ip + "neigh flush dev " + link_ + " nud permanent",
      "bridge fdb flush dev " + link_,
      "sysctl -qw net/ipv4/conf/" + link_ + "/rp_filter=1",
      "sysctl -qw net/ipv4/conf/" + link_ + "/rp_filter=0 net.ipv4.conf.all.rp_filter=1",
      "ip link set " + link_ + " address 02:00:00:00:00:99",
      "ip link del " + link_ + "; ip link add " + link_ +
          " type vxlan id 77 dstport 4789 dev eth0"};
  if (!is_v4()) harms.push_back("sysctl -qw net/ipv6/conf/" + link_ + "/disable_ipv6=1");
  for (const std::string& harm : harms) {
    SCOPED_TRACE(harm);
    shell(harm);
    expect_mended();
  }
}

TEST_P(ReconcileTest, AChangedDeviceKeepsOrRegainsAllThatIsOnIt) {
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

TEST_P(ReconcileTest, PeersLeaveNothingBehind) {
  wish_peers(2, 300);
  expect_mended();
  for (unsigned number = 2; number < 302; ++number)
    reconciler_->set_peers({{route(number).to, {}}}, now_);
  peers_ = {};
  EXPECT_EQ(shell("ip route show proto 250; ip -6 route show proto 250; ip nexthop; ip neigh show "
                  "nud permanent dev " +
                  link_ + "; bridge fdb show dev " + link_ + " | grep -v ^33:33 || true"),
            "");
  expect_mended();
}

INSTANTIATE_TEST_SUITE_P(Families, ReconcileTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

}  // namespace
}  // namespace flannel::reconcile_test
