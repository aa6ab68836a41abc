// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/leftovers.h"

#include <regex>

#include "kernel/ports/tun.h"
#include "support/kernel_test.h"

namespace flannel::leftovers_test {
namespace {

class LeftoversTest : public LinuxKernelTest {
 protected:
  // One line for each leftover, "backend: text".
  std::string found() {
    std::string text;
    for (const Leftover& leftover : find())
      text += std::string(leftover.backend) + ": " + leftover.text + "\n";
    return std::regex_replace(text, std::regex("id [0-9]+"), "id N");
  }
  std::vector<Leftover> find() {
    auto leftovers = find_leftovers(socket_);
    if (!leftovers) throw std::runtime_error(leftovers.error().text);
    return *std::move(leftovers);
  }
  void remove_all() { all_well(remove_leftovers(socket_, find())); }
  // Without what Linux adds for IPv6 some time after an interface is up.
  static std::string everything() {
    return shell(
        "ip -o link show | sed 's/^[0-9]*: //; s/:.*//'; "
        "ip route show table all | grep -vE 'fe80:|ff00:'; "
        "ip nexthop show; bridge fdb show | grep -v '^33:33:'; ip neigh show nud permanent");
  }
  static NetlinkSocket open_socket() {
    auto socket = NetlinkSocket::open();
    if (!socket) throw std::runtime_error(socket.error().text);
    return *std::move(socket);
  }
  // The socket is opened in the namespace of the test, which the base class has entered.
  NetlinkSocket socket_ = open_socket();
};

TEST_F(LeftoversTest, AHostWithoutFlanneldHasNone) {
  EXPECT_EQ(found(), "");
}

TEST_F(LeftoversTest, ANamespaceThatNeverHadAnAddressHasNone) {
  const FreshNetns fresh;
  NetlinkSocket socket = open_socket();
  const auto none = find_leftovers(socket);
  ASSERT_TRUE(none) << none.error().text;
  EXPECT_TRUE(none->empty());
}

TEST_F(LeftoversTest, AllThatTheBackendsMadeIsFoundAndGoes) {
  const std::string before = everything();
  open({.plain_routes = 1});
  put_device();
  put(peers(2, 2));
  put({Route{.to = {base(9), 24}, .via = IpAddress::v4(192, 0, 2, 9), .link = "eth0"},
       Route{.to = {base(1), 24}, .link = {}, .blackhole = true}});
  open_tun({.persistent = true, .wanted = {}}).value();
  EXPECT_EQ(found(),
            ": blackhole 10.5.1.0/24\n"
            "vxlan: route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n"
            "vxlan: route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink\n"
            "host-gw: route 10.5.9.0/24 via 192.0.2.9 dev eth0\n"
            "vxlan: nexthop id N dev flannel.1\n"
            "host-gw: nexthop id N dev eth0\n"
            "vxlan: device flannel.1\n"
            "udp: device flannel0\n");
  remove_all();
  EXPECT_EQ(found(), "");
  EXPECT_EQ(everything(), before);
}

TEST_F(LeftoversTest, DevicesOfEarlierConfigurationsAreFoundToo) {
  shell(
      "ip link add flannel.7 type vxlan id 7 dstport 8472 dev eth0; "
      "ip link add flannel.4096 type vxlan id 4096 dstport 8473 dev eth0; "
      "ip link add fl2-v6.7 type vxlan id 7 dstport 8473 dev eth0 local 2001:db8::1; "
      "ip tuntap add dev flannel3 mode tun");
  EXPECT_EQ(found(),
            "vxlan: device flannel.7\nvxlan: device flannel.4096\nvxlan: device fl2-v6.7\n"
            "udp: device flannel3\n");
}

TEST_F(LeftoversTest, TheDevicesOfANetworkHaveAnAddressInIt) {
  shell(
      "ip link add flannel.7 type vxlan id 7 dstport 8472 dev eth0 local 192.0.2.1; "
      "ip link add fl2.7 type vxlan id 7 dstport 8473 dev eth0 local 192.0.2.1; "
      "ip link add vxlan8 type vxlan id 8 dstport 8472 dev eth0 local 192.0.2.1; "
      "ip address add 10.5.1.0/32 dev fl2.7; ip address add 10.5.1.0/32 dev vxlan8");
  const auto left = left_tunnels(socket_, std::vector{*IpPrefix::parse_v4("10.5.0.0/16")});
  ASSERT_TRUE(left) << left.error().text;
  std::string text;
  for (const auto& [link, is_of_network] : *left)
    text += link.name + (is_of_network ? " is of it\n" : "\n");
  EXPECT_EQ(text, "flannel.7\nfl2.7 is of it\n");
}

TEST_F(LeftoversTest, NothingOfOthersIsFound) {
  shell(
      "ip link add flannel.1 type bridge; "
      "ip link add flannel.2 type vxlan id 3 dstport 8472 dev eth0; "
      "ip link add flannel.x type vxlan id 4 dstport 8474 dev eth0; "
      "ip link add fl2.6 type vxlan id 7 dstport 8476 dev eth0; "
      "ip link add vxlan5 type vxlan id 5 dstport 8475 dev eth0; "
      "ip tuntap add dev flannel0 mode tap; ip tuntap add dev tun0 mode tun; "
      "ip route add 10.5.2.0/24 via 192.0.2.2; ip route add 10.5.3.0/24 via 192.0.2.2 proto 99; "
      "ip route add 10.5.4.0/24 via 192.0.2.2 proto 250 metric 5; "
      "ip route add 10.5.5.0/24 via 192.0.2.2 proto 250 table 100; "
      "ip route add blackhole 10.5.6.0/24; ip route add blackhole 10.5.7.0/24 proto 250; "
      "ip nexthop add id 7 via 192.0.2.2 dev eth0");
  EXPECT_EQ(found(), "");
}

TEST_F(LeftoversTest, WhatIsGoneMeanwhileCountsAsRemoved) {
  put_device();
  put(peers(2, 1));
  const auto leftovers = find();
  shell("ip link delete flannel.1");
  all_well(remove_leftovers(socket_, leftovers));
}

}  // namespace
}  // namespace flannel::leftovers_test
