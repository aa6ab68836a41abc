// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/linux_kernel.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "plan/diff.h"
#include "support/kernel_test.h"

namespace flannel::linux_kernel_test {
namespace {

constexpr const char* kDevice =
    "link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning mtu 1450 mac "
    "02:00:00:00:00:01 up\n";
constexpr const char* kSecondPeer =
    "neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
    "fdb 02:00:00:00:00:02 dev flannel.1 dst 198.18.0.2 self permanent\n"
    "route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n";

// The text of `ip -d link`, without the parts that differ between kernels and hosts.
std::string link_in_detail(const std::string& name) {
  return shell("ip -d link show " + name +
               " | sed -E 's/^[0-9]+: //; s/promiscuity.*//; s/(numtxqueues|gso_max).*//; "
               "s/mode DEFAULT group default//; s/ +$//'");
}

TEST_F(LinuxKernelTest, MakesADeviceAsUpstreamDoes) {
  put_device();
  EXPECT_EQ(link_in_detail("flannel.1"),
            "flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN\n"
            "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
            "    vxlan id 1 local 192.0.2.1 dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto "
            "ageing 300 udpcsum noudp6zerocsumtx noudp6zerocsumrx addrgenmode none\n");
  EXPECT_EQ(shell("ip -o address show dev flannel.1 | sed -E 's/^[0-9]+: //; s/ +/ /g'"),
            "flannel.1 inet 10.5.1.0/32 scope global flannel.1\\ valid_lft forever preferred_lft "
            "forever\n")
      << "no IPv6 address of its own either";
  EXPECT_EQ(shell("cat /proc/sys/net/ipv6/conf/flannel.1/accept_ra"), "0\n");
  EXPECT_EQ(dump(read()), std::string(kDevice) + "addr 10.5.1.0/32 dev flannel.1\n");
}

TEST_F(LinuxKernelTest, ReachesAPeerAsUpstreamDoes) {
  put_device();
  put(peers(2, 1));
  EXPECT_EQ(shell("ip route show dev flannel.1"), "10.5.2.0/24 via 10.5.2.0 proto 250 onlink \n");
  EXPECT_EQ(shell("ip neigh show dev flannel.1"), "10.5.2.0 lladdr 02:00:00:00:00:02 PERMANENT \n");
  EXPECT_EQ(shell("bridge fdb show dev flannel.1"),
            "02:00:00:00:00:02 dst 198.18.0.2 self permanent\n");
  EXPECT_EQ(dump(read()), std::string(kDevice) + "addr 10.5.1.0/32 dev flannel.1\n" + kSecondPeer);
}

TEST_F(LinuxKernelTest, PuttingAndRemovingTwiceIsHarmless) {
  for (int i = 0; i < 2; ++i) {
    put_device();
    put(peers(2, 1));
  }
  EXPECT_EQ(dump(read()), std::string(kDevice) + "addr 10.5.1.0/32 dev flannel.1\n" + kSecondPeer);
  for (int i = 0; i < 2; ++i) {
    remove(objects_of(peers(2, 1)));
    remove({address()});
    EXPECT_EQ(dump(read()), kDevice);
  }
  for (int i = 0; i < 2; ++i) {
    remove({device(vxlan())});
    remove(objects_of(peers(2, 1)));
    EXPECT_EQ(dump(read()), "");
  }
}

TEST_F(LinuxKernelTest, APeerThatMovesIsChangedInPlace) {
  put_device();
  put(peers(2, 1));
  FdbEntry moved = fdb(2);
  moved.remote = IpAddress::v4(198, 18, 0, 9);
  Neighbour renumbered = neighbour(2);
  renumbered.mac = mac(9);
  put({moved, renumbered});
  EXPECT_EQ(shell("ip neigh show dev flannel.1"), "10.5.2.0 lladdr 02:00:00:00:00:09 PERMANENT \n");
  EXPECT_EQ(shell("bridge fdb show dev flannel.1"),
            "02:00:00:00:00:02 dst 198.18.0.9 self permanent\n");
  remove({fdb(2)});
  EXPECT_EQ(read().fdb, std::vector{moved}) << "an entry with another remote is another entry";
}

TEST_F(LinuxKernelTest, ADeviceIsChangedInPlaceAndKeepsItsRoutes) {
  put_device();
  put(peers(2, 1));
  VxlanSettings changed = vxlan();
  changed.mac = mac(7);
  changed.learning = true;
  Link link = device(changed);
  link.mtu = 1400;
  put({link});
  EXPECT_EQ(read().links, std::vector{link});
  EXPECT_EQ(shell("ip route show dev flannel.1"), "10.5.2.0/24 via 10.5.2.0 proto 250 onlink \n");
  EXPECT_EQ(shell("bridge fdb show dev flannel.1"),
            "02:00:00:00:00:02 dst 198.18.0.2 self permanent\n");
  put_device();
  EXPECT_EQ(read().links, std::vector{device(vxlan())});
}

TEST_F(LinuxKernelTest, ADeviceThatWentDownComesUpAgain) {
  put_device();
  shell("ip link set flannel.1 down");
  EXPECT_FALSE(read().links.at(0).up);
  put_device();
  EXPECT_TRUE(read().links.at(0).up);
}

TEST_F(LinuxKernelTest, AdoptsADeviceThatUpstreamLeft) {
  shell(
      "ip link add flannel.1 address 02:00:00:00:00:01 mtu 1450 txqueuelen 0 type vxlan id 1 "
      "local 192.0.2.1 dev eth0 dstport 8472 nolearning; ip link set flannel.1 up;"
      "ip address add 10.5.1.0/32 dev flannel.1;"
      "ip route add 10.5.2.0/24 via 10.5.2.0 dev flannel.1 proto boot onlink");
  const std::string index = shell("ip -o link show flannel.1 | cut -d: -f1");
  EXPECT_EQ(dump(read()), std::string(kDevice) + "addr 10.5.1.0/32 dev flannel.1\n");
  put_device();
  put({route(2)});
  EXPECT_EQ(shell("ip -o link show flannel.1 | cut -d: -f1"), index);
  EXPECT_EQ(shell("ip route show dev flannel.1"), "10.5.2.0/24 via 10.5.2.0 proto 250 onlink \n")
      << "upstream's route is taken over";
}

TEST_F(LinuxKernelTest, RecreatesWhatCannotBeChanged) {
  put_device();
  VxlanSettings changed = vxlan();
  changed.vni = 7;
  changed.gbp = true;
  changed.port = 4789;
  EXPECT_EQ(outcome(Op::put, device(changed)), "change flannel.1: this needs a new device");
  recreate(device(changed));
  EXPECT_EQ(dump(read()),
            "link flannel.1 vxlan id 7 local 192.0.2.1 dev eth0 dstport 4789 nolearning gbp mtu "
            "1450 mac 02:00:00:00:00:01 up\n");
}

TEST_F(LinuxKernelTest, AVxlanGetsAnotherUnderlayAndKeepsAllThatIsOnIt) {
  put_device();
  put(peers(2, 3));
  const std::string before = shell("ip route; ip neigh; bridge fdb show dev flannel.1");
  shell("ip link add eth1 type veth peer name far1; ip link set eth1 up");
  VxlanSettings other = vxlan();
  other.local = IpAddress::v4(198, 51, 100, 1);
  other.lower = {"eth1", std::stoi(shell("ip -o link show eth1"))};
  ASSERT_EQ(outcome(Op::put, device(other)), "ok");
  EXPECT_EQ(read().links.at(0), device(other));
  EXPECT_EQ(shell("ip route; ip neigh; bridge fdb show dev flannel.1"), before);
}

TEST_F(LinuxKernelTest, RecreatesAVxlanThatHasFeaturesWeNeverSet) {
  shell(
      "ip link add flannel.1 address 02:00:00:00:00:01 mtu 1450 txqueuelen 0 type vxlan id 1 "
      "local 192.0.2.1 dev eth0 dstport 8472 nolearning group 239.0.0.1; ip link set flannel.1 up");
  EXPECT_TRUE(needs_new_device(read().links.at(0), device(vxlan())));
  EXPECT_EQ(outcome(Op::put, device(vxlan())), "change flannel.1: this needs a new device");
  recreate(device(vxlan()));
  EXPECT_EQ(dump(read()), kDevice);
}

TEST_F(LinuxKernelTest, AForeignDeviceOfOurNameIsNeverTouched) {
  shell("ip link add flannel.1 type bridge; ip link set flannel.1 up");
  shell("ip address add 10.5.1.0/32 dev flannel.1");
  shell("ip neigh add 10.5.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent");
  const std::string before = shell("ip -4 address; ip -o link show type bridge; ip neigh");
  EXPECT_EQ(dump(read()), "");
  constexpr const char* kWhy =
      "flannel.1 is a device of kind bridge that is not ours; it is left alone: rename or delete "
      "it";
  EXPECT_EQ(outcome(Op::put, device(vxlan())), kWhy);
  EXPECT_EQ(outcome(Op::recreate, device(vxlan())), kWhy);
  EXPECT_EQ(outcome(Op::remove, device(vxlan())), kWhy);
  EXPECT_EQ(outcome(Op::put, neighbour(3)),
            "put neigh 10.5.3.0 dev flannel.1 lladdr 02:00:00:00:00:03 nud permanent: flannel.1 "
            "is a device of kind bridge that is not ours");
  EXPECT_EQ(apply(Op::remove, {address()}).at(0).error().kind, ErrorKind::conflict);
  EXPECT_EQ(apply(Op::remove, {neighbour(2)}).at(0).error().kind, ErrorKind::conflict);
  EXPECT_EQ(shell("ip -4 address; ip -o link show type bridge; ip neigh"), before);
}

TEST_F(LinuxKernelTest, AnErrorNamesTheReasonThatADeviceCannotBeMade) {
  VxlanSettings nowhere = vxlan();
  nowhere.lower = {"eth7"};
  EXPECT_EQ(outcome(Op::put, device(nowhere)), "create flannel.1: there is no interface eth7");
  put_device();
  Link same = device(vxlan());
  same.name = "flannel.2";
  EXPECT_EQ(
      outcome(Op::put, same),
      "create flannel.2: netlink RTM_NEWLINK: File exists (A VXLAN device with the "
      "specified VNI already exists); flannel.1 has VNI 1: delete it (ip link delete flannel.1), "
      "or set another VNI in the Backend of the network's configuration");
}

// cloud-init and udev rename interfaces ("ip link set eth0 name") while flanneld is running.
TEST_F(LinuxKernelTest, ADeviceStaysOnTheInterfaceItIsOnWhateverThatIsCalled) {
  VxlanSettings on_eth0 = vxlan();
  put({device(on_eth0), address(), neighbour(2), fdb(2), route(2)});
  const std::string index = shell("ip -o link show flannel.1 | cut -d: -f1");
  shell("ip link set eth0 down; ip link set eth0 name wan; ip link set wan up");
  const NetState now = read();
  EXPECT_EQ(now.links.at(0), device(on_eth0)) << dump(now);
  put({device(on_eth0)});
  EXPECT_EQ(shell("ip -o link show flannel.1 | cut -d: -f1"), index);
  shell("ip link del flannel.1");
  put({device(on_eth0)});
  EXPECT_NE(shell("ip -d link show flannel.1").find("dev wan"), std::string::npos)
      << "by its index";
  shell("ip link del wan; ip link add eth0 index 77 type veth peer name other");
  EXPECT_EQ(outcome(Op::put, device(on_eth0)), "create flannel.1: there is no interface eth0");
  put({device(vxlan())});
  EXPECT_NE(shell("ip -d link show flannel.1").find("dev eth0"), std::string::npos);
  EXPECT_EQ(read().links.at(0), device(vxlan())) << "made anew, it is another";
}

TEST_F(LinuxKernelTest, ADeviceGoesOnlyIfTheOneInItsPlaceCanBeMade) {
  put_device();
  put(peers(2, 2));
  const auto all = [] {
    return shell("ip -d link show flannel.1; ip route; ip neigh; bridge fdb");
  };
  const std::string before = all();
  VxlanSettings other = vxlan();
  other.lower = {"eth7"};
  EXPECT_EQ(outcome(Op::recreate, device(other)), "create flannel.1: there is no interface eth7");
  EXPECT_EQ(all(), before);
  shell("ip link add cilium_vxlan type vxlan external dstport 4789; ip link set cilium_vxlan up");
  other = vxlan();
  other.port = 4789;
  EXPECT_EQ(
      outcome(Op::recreate, device(other)),
      "flannel.1 stays as it was: set fl-try.1 up: UDP port 4789 is taken by the vxlan device "
      "cilium_vxlan, which has other features: give one of the two another port (Port in the "
      "Backend of the network's configuration)");
  EXPECT_EQ(shell("ip -o link | grep -c fl-try || true"), "0\n");
  EXPECT_EQ(shell("ip route show dev flannel.1 | wc -l"), "2\n");
  shell("ip link del cilium_vxlan");
  EXPECT_EQ(outcome(Op::recreate, device(other)), "ok");
  EXPECT_EQ(read().links.at(0), device(other));
}

TEST_F(LinuxKernelTest, AnErrorNamesThePortThatIsTaken) {
  const int squatter = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const Fd closes{squatter};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(8472);
  ASSERT_EQ(::bind(squatter, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  EXPECT_EQ(
      outcome(Op::put, device(vxlan())),
      "set flannel.1 up: UDP port 8472 is taken by a program (\"ss -lnup sport = 8472\" names "
      "it): end it, or set another Port in the Backend of the network's configuration");
}

// Upstream left this route when the subnet was a peer's, before it became ours.
TEST_F(LinuxKernelTest, ARouteByOurDeviceToOurOwnSubnetIsNotDesired) {
  put({device(vxlan())});
  shell("ip route add 10.5.1.0/24 via 10.5.1.0 dev flannel.1 onlink");
  shell("ip route add 10.5.9.0/24 via 10.5.9.0 dev flannel.1 onlink");
  shell("ip route add 10.5.1.0/24 dev eth0 metric 7");
  const auto left = kernel_->read(
      {.link_names = {"flannel.1"}, .networks = {{base(0), 16}}, .own_subnets = {{base(1), 24}}});
  ASSERT_TRUE(left);
  ASSERT_EQ(left->routes.size(), 1U) << dump(*left);
  EXPECT_TRUE(left->routes[0].foreign);
  EXPECT_TRUE(read().routes.empty()) << "who asks for no own subnet sees none";
  remove({left->routes[0]});
  EXPECT_EQ(shell("ip route | grep 10.5 | cut -d' ' -f1-5"),
            "10.5.1.0/24 dev eth0 scope link\n10.5.9.0/24 via 10.5.9.0 dev flannel.1\n");
}

TEST_F(LinuxKernelTest, SetsUpATunDeviceButDoesNotMakeIt) {
  const Link tun{.name = "flannel0", .kind = TunSettings{.queue_len = 500}, .mtu = 1472};
  EXPECT_EQ(outcome(Op::put, tun), "set up flannel0: the packet path has not made it");
  shell("ip tuntap add flannel0 mode tun; ip link set flannel0 txqueuelen 9");
  put({tun, Address{.link = "flannel0", .ip = IpAddress::v4(10, 5, 1, 0)},
       Route{.to = {base(0), 16}, .link = "flannel0"}});
  EXPECT_EQ(dump(read({"flannel0"})),
            "link flannel0 tun txqueuelen 500 mtu 1472 up\n"
            "addr 10.5.1.0/32 dev flannel0\n"
            "route 10.5.0.0/16 dev flannel0\n");
  EXPECT_EQ(shell("ip route show dev flannel0"), "10.5.0.0/16 proto 250 linkdown \n");
}

TEST_F(LinuxKernelTest, TheRouteOfAnAddressComesBackAsTheKernelMadeIt) {
  shell("ip tuntap add flannel0 mode tun");
  const Address address{.link = "flannel0", .ip = IpAddress::v4(10, 5, 1, 0), .bits = 16};
  put({Link{.name = "flannel0", .kind = TunSettings{}, .mtu = 1472}, address});
  EXPECT_EQ(read({"flannel0"}).addresses, std::vector{address});
  const std::string route = shell("ip -d route show 10.5.0.0/16");
  for (const char* const harm :
       {"ip route del 10.5.0.0/16", "ip route replace 10.5.0.0/16 via 192.0.2.9",
        "ip route replace 10.5.0.0/16 dev flannel0 proto kernel scope link src 192.0.2.1"}) {
    shell(harm);
    EXPECT_FALSE(read({"flannel0"}).addresses.at(0).routed) << harm;
    put({address});
    EXPECT_EQ(shell("ip -d route show 10.5.0.0/16"), route) << harm;
    EXPECT_TRUE(read({"flannel0"}).addresses.at(0).routed) << harm;
  }
  remove({address});
  shell("ip address add 10.5.9.9/16 dev eth0");
  EXPECT_EQ(outcome(Op::put, address), "ok") << "the same network on another device";
}

TEST_F(LinuxKernelTest, ATapDeviceIsNotATunDevice) {
  shell("ip tuntap add flannel0 mode tap");
  EXPECT_EQ(dump(read({"flannel0"})), "");
  EXPECT_EQ(apply(Op::put, {Link{.name = "flannel0", .kind = TunSettings{}}}).at(0).error().kind,
            ErrorKind::conflict);
}

TEST_F(LinuxKernelTest, OnlyTheBadChangesOfABatchFail) {
  put_device();
  std::vector<KernelObject> objects = objects_of(peers(2, 200));
  Route bad = route(100);
  bad.via = IpAddress::v4(10, 5, 1, 0);  // our own address
  const auto at = std::ranges::find(objects, KernelObject(route(100)));
  *at = bad;
  const auto index = static_cast<std::size_t>(at - objects.begin());
  const auto results = apply(Op::put, objects);
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(!results[i], i == index) << i;
  }
  EXPECT_EQ(results[index].error().text,
            "put route 10.5.100.0/24 via 10.5.1.0 dev flannel.1 onlink: netlink RTM_NEWROUTE: "
            "Invalid argument (Nexthop has invalid gateway)");
  EXPECT_EQ(read().routes.size(), 199U);
  EXPECT_EQ(read().neighbours.size(), 200U);
}

TEST_F(LinuxKernelTest, WhatIsOnAMissingDeviceCannotBePutAndIsAsGoodAsRemoved) {
  EXPECT_EQ(outcome(Op::put, neighbour(2)),
            "put neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent: there is no "
            "device flannel.1");
  remove(objects_of(peers(2, 1)));
}

TEST_F(LinuxKernelTest, WhatOthersHaveIsNeitherReadNorRemoved) {
  put_device();
  put(peers(2, 2));
  shell("ip address add 172.16.0.1/32 dev flannel.1");
  shell("ip neigh add 10.5.9.0 lladdr 02:00:00:00:00:09 dev flannel.1 nud reachable");
  shell("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent");
  shell("bridge fdb add 02:00:00:00:00:09 dev flannel.1 dst 198.18.0.9 self dynamic");
  shell("bridge fdb add 00:00:00:00:00:00 dev flannel.1 dst 198.18.0.8 self permanent");
  shell("ip route add 10.5.2.0/24 via 192.0.2.9 metric 10 proto static");
  shell("ip route add 10.5.9.0/24 via 10.5.9.0 dev flannel.1 onlink proto static");
  shell("ip route add 10.5.2.0/24 via 192.0.2.9 proto 250 table 100");
  shell("ip route add 10.5.8.0/24 via 192.0.2.9 proto 250 metric 3");
  shell("ip nexthop add id 9 via 192.0.2.9 dev eth0 proto static");
  shell("ip route add 10.5.7.0/24 nhid 9 proto static");
  NetState expected = peers(2, 2);
  expected.links.push_back(device(vxlan()));
  expected.addresses.push_back(address());
  EXPECT_EQ(dump(read()), dump(expected));

  const auto count_lines = [] {
    return shell(
        "(ip route show table all; ip nexthop; ip neigh show nud all; bridge fdb; ip -o address) |"
        " grep -cE '172.16.0.1|192.0.2.9|10.5.[987].0|00:00:09|00:00:00:00:00:00 dev flannel.1'");
  };
  const std::string before = count_lines();
  remove(objects_of(peers(2, 2)));
  EXPECT_EQ(dump(read()), std::string(kDevice) + "addr 10.5.1.0/32 dev flannel.1\n");
  EXPECT_EQ(count_lines(), before);
}

TEST_F(LinuxKernelTest, ABlackholeIsTheLastResortBesideTheBridgesOwnRoute) {
  const Route hole{.to = {base(1), 24}, .link = {}, .blackhole = true};
  put({hole});
  put({hole});
  EXPECT_EQ(shell("ip route show 10.5.1.0/24"),
            "blackhole 10.5.1.0/24 proto 250 metric 4294967295 \n");
  EXPECT_EQ(dump(read()), "blackhole 10.5.1.0/24\n");
  shell("ip link add cni0 type bridge; ip link set cni0 up; ip address add 10.5.1.1/24 dev cni0");
  EXPECT_NE(shell("ip route get 10.5.1.9").find("dev cni0"), std::string::npos);
  put({hole});
  remove({hole});
  remove({hole});
  EXPECT_EQ(shell("ip route show 10.5.1.0/24 | cut -d' ' -f1-3"), "10.5.1.0/24 dev cni0\n");
  shell("ip route add blackhole 10.5.1.0/24 proto 250 metric 7");
  EXPECT_EQ(dump(read()), "") << "it belongs to another program";
}

TEST_F(LinuxKernelTest, OfTwoRoutesToOneSubnetExactlyTheNamedOneGoes) {
  put_device();
  put({route(2)});
  shell("ip route append 10.5.2.0/24 via 192.0.2.9 proto 250");
  shell("ip route append 10.5.2.0/24 via 192.0.2.8 proto static");
  ASSERT_EQ(read().routes.size(), 2U);
  remove({route(2)});
  EXPECT_EQ(shell("ip route show 10.5.2.0/24"),
            "10.5.2.0/24 via 192.0.2.9 dev eth0 proto 250 \n"
            "10.5.2.0/24 via 192.0.2.8 dev eth0 proto static \n");
}

}  // namespace
}  // namespace flannel::linux_kernel_test
