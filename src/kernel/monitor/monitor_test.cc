// SPDX-License-Identifier: Apache-2.0
#include "kernel/monitor/monitor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "support/hand_loop.h"
#include "support/kernel_test.h"

namespace flannel::monitor_test {
namespace {

class MonitorTest : public LinuxKernelTest {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (IsSkipped()) return;
    listen({});
    put_device();
    put(peers(2, 3));
    take_reports();
  }

  void listen(Monitor::Options options) {
    auto monitor = Monitor::open(loop_, *kernel_,
                                 {.on_foreign_change = [&](const auto& what) { add(what); },
                                  .on_lost = [&] { add("lost"); },
                                  .on_underlay_change = [&] { add("underlay"); },
                                  .on_host_change = [&] { add("host"); }},
                                 options);
    if (!monitor) throw std::runtime_error(monitor.error().text);
    monitor_ = *std::move(monitor);
    const auto watching = monitor_->watch(scope({link_}), {"eth0"});
    if (!watching) throw std::runtime_error(watching.error().text);
  }

  void add(const std::string& what) {
    if (!events_.ends_with(what + "\n")) events_ += what + "\n";
  }

  // The reports since the last call, without repetitions in a row.
  std::string take_reports() {
    loop_.turn();
    return std::exchange(events_, {});
  }
  std::string reports_of(const std::string& command) {
    shell(command);
    return take_reports();
  }
  // Linux sends the notification of a carrier change up to a second later (net/core/link_watch.c),
  // and that of an IPv6 address by a worker (net/ipv6/addrconf.c).
  std::string wait_for_reports() {
    std::string all;
    for (int i = 0; i < 500 && all.empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      all = take_reports();
    }
    return all;
  }

  HandLoop loop_;
  std::unique_ptr<Monitor> monitor_;
  std::string events_;
};

TEST_F(MonitorTest, ForeignChangesOfOurRoutesAreReported) {
  EXPECT_EQ(reports_of("ip route del 10.5.2.0/24"), "route 10.5.2.0/24 deleted\n");
  EXPECT_EQ(reports_of("ip route replace 10.5.3.0/24 via 192.0.2.9 proto static"),
            "route 10.5.3.0/24 changed\n");
  EXPECT_EQ(reports_of("ip route add 10.5.9.0/24 via 192.0.2.9 proto 250"),
            "route 10.5.9.0/24 changed\n");
}

TEST_F(MonitorTest, TheDeletedRouteOfOurAddressIsReported) {
  shell("ip tuntap add flannel0 mode tun");
  const Address tun_address{.link = "flannel0", .ip = base(1), .bits = 16};
  read({"flannel0"});
  ASSERT_TRUE(monitor_->watch({.link_names = {"flannel0"}, .networks = {{base(0), 16}}}, {"eth0"}));
  put({Link{.name = "flannel0", .kind = TunSettings{}, .mtu = 1472}, tun_address});
  EXPECT_EQ(take_reports(), "");
  EXPECT_EQ(reports_of("ip route del 10.5.0.0/16"), "route 10.5.0.0/16 deleted\n");
  put({tun_address});
  EXPECT_EQ(take_reports(), "");
  EXPECT_EQ(reports_of("ip route replace 10.5.0.0/16 via 192.0.2.9"),
            "route 10.5.0.0/16 changed\n");
}

TEST_F(MonitorTest, ADeletedNextHopIsReported) {
  open({.plain_routes = 0});
  listen({});
  ASSERT_TRUE(kernel_->read({.link_names = {"flannel.1"}, .networks = {{base(0), 16}}}));
  put({route(7)});
  EXPECT_EQ(take_reports(), "");
  const std::string id = shell("ip nexthop show | cut -d' ' -f2 | tr -d '\\n'");
  EXPECT_EQ(reports_of("ip nexthop del id " + id), "next hop " + id + " deleted\n");
}

TEST_F(MonitorTest, ForeignChangesOfNeighboursAndFdbAreReported) {
  EXPECT_EQ(reports_of("ip neigh replace 10.5.2.0 lladdr 02:00:00:00:00:09 dev flannel.1"),
            "neighbour 10.5.2.0 changed\n");
  EXPECT_EQ(
      reports_of("ip neigh add 10.5.9.0 lladdr 02:00:00:00:00:09 dev flannel.1 nud permanent"),
      "neighbour 10.5.9.0 changed\n");
  EXPECT_EQ(reports_of("ip neigh del 10.5.3.0 dev flannel.1"),
            "neighbour 10.5.3.0 changed\nneighbour 10.5.3.0 deleted\n");
  EXPECT_EQ(reports_of("bridge fdb del 02:00:00:00:00:02 dev flannel.1 dst 198.18.0.2 self"),
            "FDB entry 02:00:00:00:00:02 deleted\n");
  EXPECT_EQ(reports_of("bridge fdb replace 02:00:00:00:00:03 dev flannel.1 dst 198.18.0.9 self"),
            "FDB entry 02:00:00:00:00:03 changed\n");
}

TEST_F(MonitorTest, ForeignChangesOfTheDeviceAreReported) {
  EXPECT_EQ(reports_of("ip link set flannel.1 mtu 1300"), "device flannel.1 changed\n");
  put_device();
  EXPECT_EQ(take_reports(), "") << "it is mended";
  // A device loses its neighbours and routes together with its last address.
  EXPECT_TRUE(reports_of("ip address del 10.5.1.0/32 dev flannel.1")
                  .starts_with("address 10.5.1.0/32 deleted\nneighbour 10.5."));
  EXPECT_EQ(reports_of("ip link set flannel.1 down"), "device flannel.1 changed\n");
  EXPECT_TRUE(reports_of("ip link del flannel.1").ends_with("device flannel.1 changed\n"));
}

TEST_F(MonitorTest, ADeviceMadeByAnotherProgramIsReported) {
  EXPECT_EQ(reports_of("ip link add flannel.2 type bridge"), "") << "not one of the names";
  remove({device(vxlan())});
  EXPECT_EQ(take_reports(), "");
  EXPECT_EQ(reports_of("ip link add flannel.1 type vxlan id 9 dstport 4789 dev eth0"),
            "device flannel.1 changed\n");
}

TEST_F(MonitorTest, OurOwnChangesAreNotReported) {
  put(peers(5, 500));
  EXPECT_EQ(take_reports(), "");
  FdbEntry moved = fdb(7);
  moved.remote = IpAddress::v4(198, 18, 9, 9);
  put({moved});
  EXPECT_EQ(take_reports(), "");
  remove(objects_of(peers(5, 500)));
  remove({moved});
  EXPECT_EQ(take_reports(), "");
  VxlanSettings changed = vxlan();
  changed.learning = true;
  Link link = device(changed);
  link.mtu = 1300;
  put({link});
  EXPECT_EQ(take_reports(), "");
  changed.vni = 9;
  recreate(device(changed));
  put(peers(2, 3));
  EXPECT_EQ(take_reports(), "");
  remove({device(changed)});
  EXPECT_EQ(take_reports(), "");
}

TEST_F(MonitorTest, ChangesOfForeignObjectsAreNotReported) {
  EXPECT_EQ(reports_of("ip route add 203.0.113.0/24 via 192.0.2.9; ip route del 203.0.113.0/24"),
            "");
  EXPECT_EQ(reports_of("ip route add 203.0.113.0/24 via 192.0.2.9 proto 250"), "")
      << "another daemon's network";
  EXPECT_EQ(reports_of("ip route add 10.5.2.0/24 via 192.0.2.9 table 100 proto 250"), "");
  EXPECT_EQ(reports_of("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent"),
            "");
  EXPECT_EQ(reports_of("ip neigh add 10.5.9.0 lladdr 02:00:00:00:00:09 dev flannel.1 nud stale"),
            "");
  EXPECT_EQ(reports_of("ip nexthop add id 9 via 192.0.2.9 dev eth0"), "");
  EXPECT_EQ(reports_of("ip address add 172.16.0.1/32 dev flannel.1"), "");
  EXPECT_EQ(reports_of("ip link set eth0-peer mtu 1400"), "");
}

TEST_F(MonitorTest, ChangesOfTheUnderlayAreReported) {
  EXPECT_EQ(reports_of("ip link set eth0 mtu 1400"), "underlay\n");
  EXPECT_EQ(reports_of("ip link set eth0 mtu 1300; ip link set eth0 mtu 1400"), "")
      << "in the end nothing changed";
  EXPECT_EQ(reports_of("ip address add 192.0.2.5/24 dev eth0"), "underlay\n");
  EXPECT_EQ(reports_of("ip address replace 192.0.2.5/24 dev eth0 valid_lft 900 preferred_lft 900"),
            "")
      << "a lease renewed";
  EXPECT_EQ(reports_of("ip link set eth0 txqueuelen 77"), "");
  EXPECT_EQ(reports_of("ip link set eth0 down"), "underlay\n");
  EXPECT_EQ(reports_of("ip link set eth0 up"), "underlay\n");
}

TEST_F(MonitorTest, FollowsTheUnderlayByItsIndexWhateverItIsCalled) {
  const int index = std::stoi(shell("ip -o link show eth0"));
  ASSERT_TRUE(
      monitor_->watch({.link_names = {"flannel.1"}, .networks = {{base(0), 16}}}, {"eth0", index}));
  EXPECT_EQ(reports_of("ip link set eth0 down; ip link set eth0 name wan; ip link set wan up"),
            "underlay\n");
  EXPECT_EQ(reports_of("ip address add 192.0.2.5/24 dev wan"), "underlay\n");
  shell("ip link set eth0-peer down");
  EXPECT_EQ(wait_for_reports(), "underlay\n") << "no carrier";
  shell("ip link set eth0-peer up");
  EXPECT_EQ(wait_for_reports(), "underlay\n");
}

TEST_F(MonitorTest, ChangesThatMayStopPacketsAreReported) {
  ASSERT_TRUE(monitor_->watch(
      {.link_names = {"flannel.1"}, .networks = {{base(0), 16}}, .own_subnets = {{base(1), 24}}},
      {"eth0"}));
  shell("sysctl -qw net/ipv4/conf/flannel.1/forwarding=1");
  take_reports();
  EXPECT_EQ(reports_of("sysctl -qw net/ipv4/conf/flannel.1/forwarding=0"), "host\n");
  EXPECT_EQ(reports_of("sysctl -qw net/ipv4/conf/flannel.1/proxy_arp=1"), "");
  EXPECT_EQ(reports_of("ip route add 10.5.3.128/25 dev eth0"), "host\n");
  EXPECT_EQ(reports_of("ip route add 10.5.1.0/24 dev eth0"), "host\n");
  EXPECT_EQ(reports_of("ip route del 10.5.1.0/24 dev eth0"), "host\n");
  EXPECT_EQ(reports_of("ip route add 10.5.1.0/24 dev flannel.1"), "route 10.5.1.0/24 changed\n");
  EXPECT_EQ(reports_of("ip link add br0 type bridge"), "") << "with a device come its settings";
  EXPECT_EQ(reports_of("ip route add 10.5.1.9/32 dev eth0"), "") << "a container of ours";
  EXPECT_EQ(reports_of("ip route add 10.6.0.0/24 dev eth0"), "");
}

TEST_F(MonitorTest, ChecksOfSourcesThatConcernUsAreReported) {
  EXPECT_EQ(reports_of("sysctl -qw net/ipv4/conf/flannel.1/rp_filter=1"), "rp_filter changed\n");
  EXPECT_EQ(reports_of("sysctl -qw net/ipv4/conf/all/rp_filter=1"), "host\nrp_filter changed\n");
  EXPECT_EQ(reports_of("sysctl -qw net/ipv4/conf/eth0/rp_filter=1"), "host\n");
  EXPECT_EQ(reports_of("sysctl -qw net/ipv4/conf/eth0-peer/rp_filter=1"), "");
  EXPECT_EQ(reports_of("sysctl -qw net/ipv4/conf/default/rp_filter=1"), "");
  const Link strict = read().links.at(0);
  EXPECT_TRUE(strict.strict_source_check);
  put({device(vxlan())});
  EXPECT_EQ(take_reports(), "") << "our own change";
}

TEST_F(MonitorTest, ChangesOfDefaultRoutesAreReported) {
  EXPECT_EQ(reports_of("ip route add default via 192.0.2.9"), "underlay\n");
  EXPECT_EQ(reports_of("ip route replace default via 192.0.2.10"), "underlay\n");
  EXPECT_EQ(reports_of("ip route add default via 192.0.2.9 table 100"), "");
  EXPECT_EQ(reports_of("ip route del default"), "underlay\n");
}

TEST_F(MonitorTest, ARouteToTheNetworkByAnotherDeviceIsReported) {
  EXPECT_EQ(reports_of("ip addr add 10.5.0.1/16 dev eth0-peer"), "route 10.5.0.0/16 changed\n");
  EXPECT_EQ(reports_of("ip addr del 10.5.0.1/16 dev eth0-peer"), "route 10.5.0.0/16 deleted\n");
}

// The kernel dropped the routes of the interface.
TEST_F(MonitorTest, AShortAbsenceOfTheUnderlayIsReported) {
  EXPECT_EQ(reports_of("ip link set eth0 down; ip link set eth0 up"), "underlay\n");
  EXPECT_EQ(
      reports_of("ip address del 192.0.2.1/24 dev eth0; ip address add 192.0.2.1/24 dev eth0"),
      "underlay\n");
  EXPECT_EQ(reports_of("ip link set eth0 mtu 1300; ip link set eth0 mtu 1500"), "");
}

TEST_F(MonitorTest, ADeletedUnderlayIsReportedAndItsReturnToo) {
  remove({device(vxlan())});
  take_reports();
  EXPECT_EQ(reports_of("ip link del eth0"), "underlay\n");
  EXPECT_EQ(reports_of("ip link add eth0 type veth peer name eth0-peer"), "underlay\n");
}

class MonitorOfIpv6Test : public MonitorTest {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (IsSkipped()) return;
    use(Family::v6);
    listen({});
    put_device();
    put(peers(2, 3));
    // The notifications of the addresses: they may come late.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(take_reports().find("fd00"), std::string::npos);
  }
};

TEST_F(MonitorOfIpv6Test, ForeignChangesOfOurObjectsAreReported) {
  EXPECT_EQ(reports_of("ip -6 route del fd00:5:0:2::/64"), "route fd00:5:0:2::/64 deleted\n");
  EXPECT_EQ(reports_of("ip -6 route append fd00:5:0:3::/64 via 2001:db8::9 dev eth0"),
            "route fd00:5:0:3::/64 changed\n");
  EXPECT_EQ(
      reports_of("ip -6 neigh replace fd00:5:0:2:: lladdr 02:00:00:00:00:09 dev flannel-v6.1"),
      "neighbour fd00:5:0:2:: changed\n");
  EXPECT_EQ(
      reports_of("bridge fdb replace 02:00:00:00:00:03 dev flannel-v6.1 dst 2001:db8::9 self"),
      "FDB entry 02:00:00:00:00:03 changed\n");
  EXPECT_NE(reports_of("sysctl -qw net/ipv6/conf/flannel-v6.1/disable_ipv6=1")
                .find("address fd00:5:0:1::/128 deleted\n"),
            std::string::npos);
}

TEST_F(MonitorOfIpv6Test, OurOwnChangesAreNotReported) {
  put(peers(5, 100));
  EXPECT_EQ(take_reports(), "");
  remove(objects_of(peers(5, 100)));
  EXPECT_EQ(take_reports(), "");
  put({device(vxlan()), address()});
  EXPECT_EQ(take_reports(), "");
}

TEST_F(MonitorOfIpv6Test, NoiseOfOtherDevicesIsNotReported) {
  EXPECT_EQ(reports_of("ip link add veth7 type veth peer name veth8; ip link set veth7 up; "
                       "ip link set veth8 up; ip -6 address add fe80::77/64 dev veth7 nodad"),
            "");
  EXPECT_EQ(
      reports_of("ip -6 route add 2001:db8:7::/48 via 2001:db8::9; "
                 "ip -6 neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent; "
                 "ip -6 address add fe80::78/64 dev eth0 nodad; "
                 "ip -6 address add fd99::1/64 dev flannel-v6.1 nodad; "
                 "ip -6 neigh add fe80::9 lladdr 02:00:00:00:00:09 dev flannel-v6.1 nud permanent"),
      "");
}

TEST_F(MonitorOfIpv6Test, ChangesOfTheUnderlayAndOfTheHostAreReported) {
  shell("ip -6 address add 2001:db8::5/64 dev eth0 nodad");
  EXPECT_EQ(wait_for_reports(), "underlay\n");
  EXPECT_EQ(reports_of("ip -6 route add default via 2001:db8::9"), "underlay\n");
  EXPECT_EQ(reports_of("ip -6 route del default"), "underlay\n");
  EXPECT_EQ(reports_of("ip -6 route add fd00:5:0:3:8000::/65 dev eth0"), "host\n");
  EXPECT_EQ(reports_of("ip -6 route add fd00:6::/64 dev eth0"), "");
  EXPECT_EQ(reports_of("sysctl -qw net/ipv6/conf/flannel-v6.1/forwarding=1"), "host\n");
  EXPECT_EQ(reports_of("ip link add br7 type bridge"), "") << "with a device come its settings";
}

TEST_F(MonitorTest, ReportsLostNotificationsAndGoesOn) {
  listen({.receive_buffer = 1});
  std::string routes;
  for (int i = 2; i < 100; ++i)
    routes += "ip route add 10.5." + std::to_string(i) + ".0/24 dev eth0 metric 5 proto 250;";
  const std::string events = reports_of(routes);
  EXPECT_NE(events.find("lost\n"), std::string::npos) << events;
  EXPECT_EQ(reports_of("ip route del 10.5.2.0/24 metric 0"), "route 10.5.2.0/24 deleted\n");
}

TEST_F(MonitorTest, TrafficOfTheUnderlayDoesNotFillTheQueue) {
  listen({.receive_buffer = 1});
  std::string neighbours;
  for (int i = 2; i < 200; ++i) {
    neighbours += "ip neigh replace 192.0.2." + std::to_string(i) +
                  " lladdr 02:00:00:00:00:09 dev eth0 nud permanent;";
  }
  EXPECT_EQ(reports_of(neighbours), "");
}

TEST_F(MonitorTest, OurOwnBatchesDoNotFillTheQueue) {
  listen({.receive_buffer = 1});
  NetState state = peers(5, 1000);
  state.fdb.clear();  // their notifications name no socket
  put(state);
  EXPECT_EQ(take_reports(), "");
}

}  // namespace
}  // namespace flannel::monitor_test
