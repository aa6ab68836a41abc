// SPDX-License-Identifier: Apache-2.0
// What hosts need of the kernel while others of them have another MTU or backend.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink/notifications.h"
#include "plan/reconciler.h"
#include "support/kernel_test.h"

namespace flannel::live_change_test {
namespace {

class LiveChangeTest : public LinuxKernelTest, public testing::WithParamInterface<Family> {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (IsSkipped()) return;
    use(GetParam());
    put_device();
  }

  Route small(unsigned number, std::uint32_t mtu) const {
    Route smaller = route(number);
    smaller.mtu = mtu;
    return smaller;
  }
  // The mtu of a route as `ip` shows it; empty: none.
  std::string mtu_of(unsigned number) const {
    return shell((is_v4() ? "ip -4" : "ip -6") + std::string(" route show ") +
                 to_string(subnet(number)) +
                 " | grep -oE 'mtu (lock )?[0-9]+' | tr -d '\\n' || true");
  }
  // What the kernel reports of the second peer's route, next hop and neighbours during `change`.
  template <typename Change>
  std::string heard_during(Change change) {
    const Fd fd = open_netlink(NETLINK_ROUTE, SOCK_NONBLOCK, 1 << 20).value();
    for (const int group : {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH, RTNLGRP_NEXTHOP})
      EXPECT_TRUE(join_netlink_group(fd, group));
    change();
    std::string heard;
    std::vector<std::byte> buffer(64 << 10);
    const auto note = [&](const NetlinkMessage& message) {
      if (message.type == RTM_NEWNEIGH || message.type == RTM_DELNEIGH) {
        const auto row = decode_neighbour(message.payload);
        if (!row || row->ip != base(2)) return;
        heard += message.type == RTM_DELNEIGH ? "-neighbour " : "+neighbour ";
        return;
      }
      if (message.type == RTM_NEWNEXTHOP) heard += "nexthop ";
      if (message.type == RTM_NEWNEXTHOP || message.type == RTM_DELNEXTHOP) return;
      const auto row = decode_route(message.payload);
      if (!row || row->to != subnet(2)) return;
      heard += message.type == RTM_DELROUTE ? "deleted" : "mtu " + std::to_string(row->mtu) + " ";
    };
    read_notifications(fd, buffer, note, [&heard] { heard += "lost"; });
    return heard;
  }
  std::string source_check() const {
    return shell("cat /proc/sys/net/ipv4/conf/" + link_ + "/rp_filter | tr -d '\\n'");
  }
};

INSTANTIATE_TEST_SUITE_P(Families, LiveChangeTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(LiveChangeTest, ARouteGetsAndLosesTheMtuOfAPeer) {
  put({route(2), small(3, 1330)});
  EXPECT_EQ(mtu_of(2), "");
  EXPECT_EQ(mtu_of(3), "mtu 1330");
  EXPECT_EQ(read().routes, (std::vector{route(2), small(3, 1330)}));
  put({small(2, 1300), route(3)});
  EXPECT_EQ(mtu_of(2), "mtu 1300");
  EXPECT_EQ(mtu_of(3), "");
  EXPECT_EQ(read().routes, (std::vector{small(2, 1300), route(3)}));
  remove({small(2, 1300), route(3)});
  EXPECT_TRUE(read().routes.empty());
}

TEST_P(LiveChangeTest, ARouteIsNeverMissingWhileItsMtuChanges) {
  for (const std::size_t plain : {std::size_t{9}, std::size_t{0}}) {
    open({.plain_routes = plain});
    put({route(2)});
    const std::string there = heard_during([this] { put({small(2, 1330)}); });
    EXPECT_EQ(there.find("deleted"), std::string::npos) << there;
    EXPECT_TRUE(there.ends_with("mtu 1330 ")) << there;
    EXPECT_EQ(read().routes, (std::vector{small(2, 1330)}));
    const std::string back = heard_during([this] { put({route(2)}); });
    EXPECT_EQ(back.find("deleted"), std::string::npos) << back;
    EXPECT_TRUE(back.ends_with("mtu 0 ")) << back;
    EXPECT_EQ(read().routes, std::vector{route(2)});
    remove({route(2)});
  }
}

// Linux refuses an IPv6 route by the gateway of another device, so that takes a second batch; and a
// change of a next-hop object moves all routes by it.
TEST_P(LiveChangeTest, ARouteMovesToAnotherDeviceWhileBothHaveTheNeighbour) {
  for (const std::size_t plain : {std::size_t{9}, std::size_t{0}}) {
    open({.plain_routes = plain});
    put(peers(2, 1));
    const std::string old = std::exchange(link_, "fl2.1");
    VxlanSettings other = vxlan();
    other.port = 8473;
    put({device(other)});
    std::vector<KernelChange> changes;
    for (KernelObject& object : objects_of(peers(2, 1)))
      changes.push_back({Op::put, std::move(object)});
    link_ = old;
    changes.push_back({Op::remove, fdb(2)});
    changes.push_back({Op::remove, neighbour(2)});
    const std::string heard = heard_during([&] { all_well(kernel_->apply(changes)); });
    EXPECT_EQ(heard.find("deleted"), std::string::npos) << heard;
    const auto removed = heard.find("-neighbour");
    ASSERT_NE(removed, std::string::npos) << heard;
    for (const char* moves : {"mtu", "nexthop"})
      EXPECT_EQ(heard.find(moves, removed), std::string::npos) << heard;
    EXPECT_TRUE(heard.starts_with("+neighbour ")) << heard;
    EXPECT_EQ(heard.find("nexthop") != std::string::npos, plain == 0 && is_v4()) << heard;
    link_ = "fl2.1";
    EXPECT_EQ(read({link_}).routes, std::vector{route(2)});
    remove({device(other)});
    link_ = old;
  }
}

TEST_P(LiveChangeTest, AForwardedPacketIsMeasuredByTheRoute) {
  put({neighbour(2), fdb(2), small(2, 1330)});
  const std::string to = to_string(base(2).plus(10));
  EXPECT_NE(shell("ip route get " + to).find("mtu 1330"), std::string::npos);
}

TEST_P(LiveChangeTest, TheReconcilerPutsAForeignMtuBack) {
  Reconciler reconciler(*kernel_);
  NetState host;
  host.links.push_back(device(vxlan()));
  host.addresses.push_back(address());
  NetState peer = peers(2, 1);
  peer.routes.front().mtu = 1330;
  reconciler.set_host({.link_names = {link_}, .networks = {IpPrefix::of(base(0), 16)}}, host);
  TimePoint now{std::chrono::hours(1)};
  reconciler.set_peers({{subnet(2), peer}}, now);
  ASSERT_TRUE(reconciler.sync(now));
  const std::string change = "ip route replace " + to_string(subnet(2)) + " via " +
                             to_string(base(2)) + " dev " + link_ + " onlink proto 250 ";
  for (const char* mtu : {"", "mtu 1290", "mtu 1400"}) {
    shell(change + mtu);
    now += std::chrono::minutes(2);
    ASSERT_TRUE(reconciler.sync(now));
    EXPECT_EQ(mtu_of(2), "mtu 1330") << "after " << mtu;
    EXPECT_EQ(reconciler.unmet().size(), 0U);
  }
  EXPECT_EQ(reconciler.counters().corrections, 3U);
}

// Linux gives IPv6 routes of a device its new MTU if theirs is not smaller.
TEST_P(LiveChangeTest, RoutesAreAsDesiredAfterTheMtuOfTheDeviceChanges) {
  Reconciler reconciler(*kernel_);
  NetState host;
  host.links.push_back(device(vxlan()));
  host.addresses.push_back(address());
  const auto wish = [&](std::uint32_t mtu) {
    host.links.front().mtu = mtu;
    reconciler.set_host({.link_names = {link_}, .networks = {IpPrefix::of(base(0), 16)}}, host);
  };
  NetState peer = peers(2, 1);
  peer.routes.front().mtu = 1330;
  TimePoint now{std::chrono::hours(1)};
  wish(1430);
  reconciler.set_peers({{subnet(2), peer}}, now);
  ASSERT_TRUE(reconciler.sync(now));
  wish(1330);
  peer.routes.front().mtu = 0;
  ASSERT_TRUE(reconciler.set_peers_and_sync({{subnet(2), peer}}, now));
  ASSERT_TRUE(reconciler.sync(now + std::chrono::minutes(2)));
  EXPECT_EQ(mtu_of(2), "");
  wish(1430);
  peer.routes.front().mtu = 1330;
  ASSERT_TRUE(reconciler.set_peers_and_sync({{subnet(2), peer}}, now));
  ASSERT_TRUE(reconciler.sync(now + std::chrono::minutes(4)));
  EXPECT_EQ(mtu_of(2), "mtu 1330");
}

// With a strict check Linux drops what peers send by a device that our route to them does not use.
TEST_P(LiveChangeTest, OurDevicesAcceptPeersThatOurRoutesReachByAnotherDevice) {
  EXPECT_EQ(source_check(), "0") << "what others chose is left alone where it drops nothing";
  shell("sysctl -qw net/ipv4/conf/eth0/rp_filter=1 net.ipv4.conf.all.rp_filter=1");
  EXPECT_TRUE(read().links.front().strict_source_check);
  EXPECT_NE(dump(read()).find(" up rp_filter 1\n"), std::string::npos) << dump(read());
  put({device(vxlan())});
  EXPECT_EQ(source_check(), "2") << "Linux takes the larger one of this and that of all";
  EXPECT_FALSE(read().links.front().strict_source_check);
  EXPECT_EQ(shell("cat /proc/sys/net/ipv4/conf/eth0/rp_filter"), "1\n") << "not ours";

  shell("sysctl -qw net/ipv4/conf/" + link_ + "/rp_filter=1 net.ipv4.conf.all.rp_filter=2");
  EXPECT_FALSE(read().links.front().strict_source_check);
  shell("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=1");
  EXPECT_TRUE(read().links.front().strict_source_check);
  remove({device(vxlan())});
  put({device(vxlan())});
  EXPECT_EQ(source_check(), "2") << "a new device";
}

}  // namespace
}  // namespace flannel::live_change_test
