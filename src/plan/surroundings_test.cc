// SPDX-License-Identifier: Apache-2.0
#include "plan/surroundings.h"

#include <gtest/gtest.h>

namespace flannel::surroundings_test {
namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}
IpPrefix net(const char* text) {
  return IpPrefix::parse(text).value();
}

// eth0 172.31.0.3/16 with the default route, eth1 198.18.0.3/24 and docker0 172.17.0.1/16.
class SurroundingsTest : public testing::Test {
 protected:
  Surroundings look(const char* network) {
    return find_surroundings(host_, underlay_, net(network), endpoints_, devices_);
  }
  // The parts of the surroundings that the network overlaps: "172.31.0.1 (the default gateway),
  // ..".
  std::string clash(const char* network) {
    const std::string text = find_clash(net(network), look(network)).value_or("none");
    const std::string begin = "outside of the overlay: ";
    const auto from = text.find(begin);
    if (from == std::string::npos) return text;
    return text.substr(from + begin.size(), text.find(". No subnet") - from - begin.size());
  }

  Underlay underlay_{.interface = "eth0",
                     .interface_index = 2,
                     .mtu = 1500,
                     .v4 = UnderlayAddress{ip("172.31.0.3"), ip("172.31.0.3")}};
  HostView host_{
      .interfaces = {{.index = 1, .name = "lo", .addresses = {{ip("127.0.0.1"), 8}}},
                     {.index = 2, .name = "eth0", .addresses = {{ip("172.31.0.3"), 16}}},
                     {.index = 3, .name = "eth1", .addresses = {{ip("198.18.0.3"), 24}}},
                     {.index = 4, .name = "docker0", .addresses = {{ip("172.17.0.1"), 16}}},
                     {.index = 5, .name = "flannel0", .addresses = {{ip("10.5.1.0"), 16}}}},
      .default_routes = {{.interface_index = 2, .gateway = ip("172.31.0.1")}},
      .lookup_route = {},
      .routes = {{net("0.0.0.0/0"), 2, ip("172.31.0.1")},
                 {net("172.31.0.0/16"), 2},
                 {net("192.168.7.0/24"), 2, ip("172.31.0.9")},
                 {net("198.18.0.0/24"), 3},
                 {net("172.17.0.0/16"), 4}},
      .name_servers = {ip("10.9.0.53")}};
  std::vector<IpAddress> endpoints_{ip("172.20.0.5")};
  std::vector<std::string> devices_{"flannel0"};
};

TEST_F(SurroundingsTest, ANetworkThatNothingElseUsesClashesWithNothing) {
  endpoints_ = {ip("127.0.0.1")};  // on this host, which no route takes away
  for (const char* network :
       {"10.5.0.0/16", "192.168.0.0/16", "172.30.0.0/16", "10.8.0.0/16", "127.0.0.0/16"})
    EXPECT_EQ(clash(network), "none") << network;
}

TEST_F(SurroundingsTest, NamesWhatTheNetworkContains) {
  EXPECT_EQ(clash("172.20.0.0/16"), "172.20.0.5 (an endpoint of the store)");
  EXPECT_EQ(clash("10.0.0.0/8"), "10.9.0.53 (a name server)");
  EXPECT_EQ(clash("172.31.0.0/28"),
            "172.31.0.3 (the address of eth0), 172.31.0.1 (the default gateway), "
            "172.31.0.9 (the gateway to 192.168.7.0/24), the link 172.31.0.0/16 of eth0");
  EXPECT_EQ(clash("172.31.0.0/16"), clash("172.31.0.0/28"));
  EXPECT_EQ(clash("172.16.0.0/12"),
            "172.31.0.3 (the address of eth0), 172.31.0.1 (the default gateway), "
            "172.31.0.9 (the gateway to 192.168.7.0/24), 172.20.0.5 (an endpoint of the store), "
            "the link 172.31.0.0/16 of eth0");
}

TEST_F(SurroundingsTest, APartOfTheLinkIsEnough) {
  EXPECT_EQ(clash("172.31.128.0/17"), "the link 172.31.0.0/16 of eth0");
}

TEST_F(SurroundingsTest, BehindNatTheAnnouncedAddressCountsToo) {
  underlay_.v4->public_ip = ip("203.0.113.7");
  EXPECT_EQ(clash("203.0.113.0/24"), "203.0.113.7 (our public IP)");
}

// Containers are attached to a bridge of this host that has an address in the network.
TEST_F(SurroundingsTest, BridgesAndOurOwnDevicesMayBeInTheNetwork) {
  host_.interfaces[3].addresses = {{ip("10.5.1.1"), 24}};
  host_.routes.push_back({net("192.168.8.0/24"), 4, ip("10.5.1.7")});
  EXPECT_EQ(clash("10.5.0.0/16"), "none");
}

TEST_F(SurroundingsTest, ManyAreCounted) {
  for (std::uint8_t n = 1; n <= 20; ++n)
    endpoints_.push_back(IpAddress::v4(10, 5, 0, n));
  EXPECT_TRUE(clash("10.5.0.0/16").ends_with("10.5.0.5 (an endpoint of the store), 15 more"));
}

TEST_F(SurroundingsTest, TheSentenceNamesTheRemedy) {
  EXPECT_EQ(find_clash(net("10.9.0.0/16"), look("10.9.0.0/16")),
            "Network 10.9.0.0/16 overlaps what this host uses outside of the overlay: 10.9.0.53 (a "
            "name server). No subnet around such an address is leased or routed to, and the udp "
            "backend routes the subnets of peers one by one instead of the network; choose a "
            "Network that nothing else uses");
}

TEST_F(SurroundingsTest, TheHolderOfTheNetworkIsTheDeviceWhoseRouteGoesFirst) {
  const HostRoute docker{net("10.5.0.0/16"), 4};
  const HostRoute ours{net("10.5.0.0/16"), 5};
  EXPECT_EQ(look("10.5.0.0/16").holder, "");
  host_.routes = {docker};
  EXPECT_EQ(look("10.5.0.0/16").holder, "docker0");
  EXPECT_EQ(look("10.0.0.0/8").holder, "") << "a longer one, of a part";
  EXPECT_EQ(look("10.5.1.0/24").holder, "") << "a shorter one";
  host_.routes = {docker, ours};
  EXPECT_EQ(look("10.5.0.0/16").holder, "docker0");
  host_.routes = {ours, docker};
  EXPECT_EQ(look("10.5.0.0/16").holder, "");
  host_.routes = {{net("10.5.0.0/16"), 4, {}, 425}};
  EXPECT_EQ(look("10.5.0.0/16").holder, "") << "ours will go before it";
  host_.routes = {{net("172.31.0.0/16"), 2}};
  EXPECT_EQ(look("172.31.0.0/16").holder, "") << "the underlay's is a clash";
}

TEST_F(SurroundingsTest, AHolderIsNamedWithTheRemedy) {
  EXPECT_EQ(find_held(net("10.5.0.0/16"), look("10.5.0.0/16")), std::nullopt);
  EXPECT_EQ(find_held(net("172.17.0.0/16"), look("172.17.0.0/16")),
            "packets to 172.17.0.0/16 leave by docker0, whose route to it goes before that of the "
            "udp backend's device; take the address or the route in that network from docker0, or "
            "choose another Network");
}

TEST_F(SurroundingsTest, TheEndsOfALinkAreNoHosts) {
  const LocalAddress link{"eth0", ip("172.28.0.4"), 16};
  EXPECT_TRUE(link.has_no_host(ip("172.28.255.255")));
  EXPECT_TRUE(link.has_no_host(ip("172.28.0.0")));
  EXPECT_FALSE(link.has_no_host(ip("172.28.0.255")));
  EXPECT_FALSE((LocalAddress{"eth0", ip("172.28.0.4"), 31}.has_no_host(ip("172.28.0.5"))));
  EXPECT_FALSE((LocalAddress{"eth0", ip("172.28.0.4"), 32}.has_no_host(ip("172.28.0.4"))));
}

TEST_F(SurroundingsTest, ReadsNameServers) {
  EXPECT_EQ(
      parse_name_servers("# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.2\n"
                         "nameserver\t 10.0.0.3 \nnameserver fd00::53\nnameserver "
                         "fe80::1%eth0\nsortlist 10.0.0.9\n"
                         "nameserver 127.0.0.53"),
      (std::vector<IpAddress>{ip("10.0.0.2"), ip("10.0.0.3"), ip("fd00::53"), ip("127.0.0.53")}));
  EXPECT_TRUE(parse_name_servers("").empty());
}

}  // namespace
}  // namespace flannel::surroundings_test
