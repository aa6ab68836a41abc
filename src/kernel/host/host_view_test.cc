// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/host_view.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/host/sysctl.h"
#include "support/fresh_netns.h"

namespace flannel::host_view_test {
namespace {

class HostViewTest : public NetnsTest {
 protected:
  static HostView look() {
    auto view = read_host();
    if (!view) throw std::runtime_error(view.error().text);
    return *std::move(view);
  }

  static const Interface& find(const HostView& view, std::string_view name) {
    const auto at = std::ranges::find(view.interfaces, name, &Interface::name);
    if (at == view.interfaces.end()) throw std::runtime_error("no " + std::string(name));
    return *at;
  }
};

TEST_F(HostViewTest, ListsInterfacesByIndexWithTheirAddresses) {
  shell("ip link set eth0 mtu 1400; ip link set eth0-peer down; ip -6 address flush dev eth0");
  shell("ip address add 192.0.2.5/24 dev eth0; ip address add 10.0.0.1/8 dev eth0");
  shell("ip address add 203.0.113.7/32 dev eth0 valid_lft 900 preferred_lft 0");
  const HostView view = look();
  EXPECT_TRUE(std::ranges::is_sorted(view.interfaces, {}, &Interface::index));
  EXPECT_EQ(view.interfaces.size(), 3U);

  const Interface& eth0 = find(view, "eth0");
  EXPECT_EQ(eth0.mtu, 1400U);
  EXPECT_TRUE(eth0.up);
  EXPECT_FALSE(find(view, "eth0-peer").up);
  EXPECT_FALSE(eth0.carrier) << "the other end is down";
  const std::vector<InterfaceAddress> expected{
      {.ip = IpAddress::v4(192, 0, 2, 1), .bits = 24},
      {.ip = IpAddress::v4(10, 0, 0, 1), .bits = 8},
      {.ip = IpAddress::v4(203, 0, 113, 7), .bits = 32, .permanent = false, .deprecated = true},
      {.ip = IpAddress::v4(192, 0, 2, 5), .bits = 24, .temporary = true},
  };
  EXPECT_EQ(eth0.addresses, expected);
}

TEST_F(HostViewTest, ListsDefaultRoutesOfTheMainTable) {
  EXPECT_TRUE(look().default_routes.empty());
  shell("ip route add default via 192.0.2.9 metric 100 src 192.0.2.1");
  shell("ip route add default table 100 via 192.0.2.9");
  shell("ip route add unreachable default metric 5");
  const HostView one = look();
  const int eth0 = find(one, "eth0").index;
  const DefaultRoute single{.interface_index = eth0,
                            .source = IpAddress::v4(192, 0, 2, 1),
                            .gateway = IpAddress::v4(192, 0, 2, 9)};
  EXPECT_EQ(one.default_routes, std::vector{single});

  shell("ip route add default metric 50 nexthop via 192.0.2.9 nexthop via 192.0.2.10");
  const HostView two = look();
  EXPECT_EQ(two.default_routes, (std::vector<DefaultRoute>{{}, single}));
}

TEST_F(HostViewTest, ListsTheRoutesThatOthersMade) {
  shell("ip route add 198.51.100.0/24 via 192.0.2.9 metric 7");
  shell("ip route add 198.51.101.0/24 via 192.0.2.9 proto 250");
  shell("ip route add blackhole 198.51.102.0/24; ip -6 route add unreachable 2001:db8:3::/48");
  shell("ip -6 address flush dev eth0; ip -6 address flush dev eth0-peer");
  shell("ip -6 address add 2001:db8::1/64 dev eth0 nodad");
  shell("ip -6 route add 2001:db8:2::/48 via 2001:db8::9 metric 7");
  const HostView view = look();
  const int eth0 = find(view, "eth0").index;
  EXPECT_EQ(
      view.routes,
      (std::vector<HostRoute>{
          {IpPrefix::parse_v4("192.0.2.0/24").value(), eth0},
          {IpPrefix::parse_v4("198.51.100.0/24").value(), eth0, IpAddress::v4(192, 0, 2, 9), 7},
          {IpPrefix::parse_v6("2001:db8::/64").value(), eth0, {}, 256},
          {IpPrefix::parse_v6("2001:db8:2::/48").value(), eth0,
           IpAddress::parse_v6("2001:db8::9").value(), 7},
      }));
}

TEST_F(HostViewTest, FindsThePathToAnAddress) {
  shell("ip route add 198.51.100.0/24 via 192.0.2.9");
  const HostView view = look();
  const int eth0 = find(view, "eth0").index;
  EXPECT_EQ(view.lookup_route(IpAddress::v4(192, 0, 2, 2)),
            (RouteLookup{eth0, IpAddress::v4(192, 0, 2, 1), std::nullopt}));
  EXPECT_EQ(view.lookup_route(IpAddress::v4(198, 51, 100, 7)),
            (RouteLookup{eth0, IpAddress::v4(192, 0, 2, 1), IpAddress::v4(192, 0, 2, 9)}));

  const auto none = view.lookup_route(IpAddress::v4(203, 0, 113, 1));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(none.error().text,
            "find the route to 203.0.113.1: netlink RTM_GETROUTE: Network is unreachable");
}

TEST_F(HostViewTest, APathViaAnIpv6GatewayIsNotOnTheLink) {
  shell("ip route add 198.51.100.0/24 via inet6 fe80::1 dev eth0");
  const auto path = look().lookup_route(IpAddress::v4(198, 51, 100, 7));
  ASSERT_TRUE(path);
  EXPECT_EQ(path->gateway, IpAddress::parse_v6("fe80::1").value());
}

TEST_F(HostViewTest, KnowsTheStateOfIpv6Addresses) {
  shell("ip -6 address flush dev eth0; ip -6 address add 2001:db8::1/64 dev eth0 nodad");
  shell("ip -6 address add 2001:db8::2/64 dev eth0 preferred_lft 0 valid_lft 900 nodad");
  shell("sysctl -qw net.ipv6.conf.eth0.dad_transmits=9; ip -6 address add 2001:db8::3/64 dev eth0");
  HostView view = look();
  EXPECT_TRUE(view.has_ipv6);
  const auto find_address = [&](const char* text) {
    const auto ip = IpAddress::parse_v6(text).value();
    const auto& all = find(view, "eth0").addresses;
    const auto at = std::ranges::find(all, ip, &InterfaceAddress::ip);
    if (at == all.end()) throw std::runtime_error(std::string("no ") + text);
    return *at;
  };
  EXPECT_EQ(find_address("2001:db8::1"),
            (InterfaceAddress{.ip = IpAddress::parse_v6("2001:db8::1").value(), .bits = 64}));
  EXPECT_TRUE(find_address("2001:db8::2").deprecated);
  EXPECT_FALSE(find_address("2001:db8::2").permanent);
  EXPECT_TRUE(find_address("2001:db8::3").unproven);

  EXPECT_FALSE(find(view, "eth0").ignores_advertisements);
  shell("sysctl -qw net.ipv6.conf.all.forwarding=1");
  view = look();
  EXPECT_TRUE(find(view, "eth0").ignores_advertisements);
  shell("sysctl -qw net.ipv6.conf.eth0.accept_ra=2");
  view = look();
  EXPECT_FALSE(find(view, "eth0").ignores_advertisements);
}

TEST_F(HostViewTest, FindsIpv6PathsAndDefaultRoutes) {
  shell("ip -6 address add 2001:db8::1/64 dev eth0 nodad");
  shell("ip -6 route add default via fe80::9 dev eth0 proto ra metric 100");
  const HostView view = look();
  const int eth0 = find(view, "eth0").index;
  const auto source = IpAddress::parse_v6("2001:db8::1").value();
  const auto gateway = IpAddress::parse_v6("fe80::9").value();
  EXPECT_EQ(view.default_routes, (std::vector<DefaultRoute>{{.family = Family::v6,
                                                             .interface_index = eth0,
                                                             .source = {},
                                                             .gateway = gateway,
                                                             .advertised = true}}));
  EXPECT_EQ(view.lookup_route(IpAddress::parse_v6("2001:db8::2").value()),
            (RouteLookup{eth0, source, std::nullopt}));
  EXPECT_EQ(view.lookup_route(IpAddress::parse_v6("2001:db8:9::1").value()),
            (RouteLookup{eth0, source, gateway}));
}

TEST_F(HostViewTest, SysctlsAreThoseOfTheNamespace) {
  EXPECT_TRUE(write_sysctl("net/ipv4/ip_forward", "1"));
  EXPECT_EQ(shell("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
  EXPECT_EQ(write_sysctl("net/ipv4/conf/none.1/forwarding", "1").error().kind,
            ErrorKind::not_found);
  const auto refused = write_sysctl("net/ipv4/ip_forward", "perhaps");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text, "write /proc/sys/net/ipv4/ip_forward: Invalid argument");
}

}  // namespace
}  // namespace flannel::host_view_test
