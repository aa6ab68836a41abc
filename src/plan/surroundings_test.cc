// SPDX-License-Identifier: Apache-2.0
#include "plan/surroundings.h"

#include <gtest/gtest.h>

#include <array>

#include "support/in_family.h"

namespace flannel::surroundings_test {
namespace {

IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}
IpPrefix prefix(const char* text) {
  return IpPrefix::parse(text).value();
}

// eth0 172.31.0.3/16 with the default route, eth1 198.18.0.3/24 and docker0 172.17.0.1/16.
class SurroundingsTest : public InFamily<testing::Test> {
 protected:
  SurroundingsTest() {
    underlay_.at(family()) = UnderlayAddress{ip("172.31.0.3"), ip("172.31.0.3")};
  }

  Surroundings look(const char* network) {
    return find_surroundings(host_, underlay_, std::array{net(network)}, endpoints_, devices_);
  }
  // The parts of the surroundings that the network overlaps: "172.31.0.1 (the default gateway),
  // ..".
  std::string clash(const char* network) {
    const auto found = find_clash(net(network), look(network));
    const std::string sentence = found ? found->text : "none";
    const std::string begin = "outside of the overlay: ";
    const auto from = sentence.find(begin);
    if (from == std::string::npos) return sentence;
    return sentence.substr(from + begin.size(), sentence.find(". No subnet") - from - begin.size());
  }
  std::string holder(const char* network) { return holder_of(net(network), look(network)); }
  IpPrefix everything() const { return {IpAddress::unspecified(family()), 0}; }
  // An address of an interface, in the notation of `ip address`.
  InterfaceAddress on_link(const std::string& v4) const {
    return {ip(v4.substr(0, v4.find('/'))), net(v4).bits};
  }

  Underlay underlay_{.interface = "eth0", .interface_index = 2, .mtu = 1500};
  HostView host_{
      .interfaces = {{.index = 1,
                      .name = "lo",
                      .addresses = {{address("127.0.0.1"), 8}, {address("::1"), 128}}},
                     {.index = 2, .name = "eth0", .addresses = {on_link("172.31.0.3/16")}},
                     {.index = 3, .name = "eth1", .addresses = {on_link("198.18.0.3/24")}},
                     {.index = 4, .name = "docker0", .addresses = {on_link("172.17.0.1/16")}},
                     {.index = 5, .name = "flannel0", .addresses = {on_link("10.5.1.0/16")}}},
      .default_routes = {{.family = family(), .interface_index = 2, .gateway = ip("172.31.0.1")}},
      .lookup_route = {},
      .routes = {{everything(), 2, ip("172.31.0.1")},
                 {net("172.31.0.0/16"), 2},
                 {net("192.168.7.0/24"), 2, ip("172.31.0.9")},
                 {net("198.18.0.0/24"), 3},
                 {net("172.17.0.0/16"), 4}},
      .name_servers = {ip("10.9.0.53")}};
  std::vector<IpAddress> endpoints_{ip("172.20.0.5")};
  std::vector<std::string> devices_{"flannel0"};
};

INSTANTIATE_TEST_SUITE_P(Both, SurroundingsTest, kBothFamilies, family_name);

TEST_P(SurroundingsTest, ANetworkThatNothingElseUsesClashesWithNothing) {
  endpoints_ = {address("127.0.0.1"), address("::1")};  // on this host, which no route takes away
  for (const char* network : {"10.5.0.0/16", "192.168.0.0/16", "172.30.0.0/16", "10.8.0.0/16"})
    EXPECT_EQ(clash(network), "none") << network;
  for (const IpPrefix& network : {prefix("127.0.0.0/16"), prefix("::/64")})
    EXPECT_EQ(find_clash(network, look("10.5.0.0/16")), std::nullopt) << to_string(network);
}

TEST_P(SurroundingsTest, NamesWhatTheNetworkContains) {
  EXPECT_EQ(clash("172.20.0.0/16"), text("172.20.0.5 (an endpoint of the store)"));
  EXPECT_EQ(clash("10.0.0.0/8"), text("10.9.0.53 (a name server)"));
  EXPECT_EQ(clash("172.31.0.0/28"),
            text("172.31.0.3 (the address of eth0), 172.31.0.1 (the default gateway), "
                 "172.31.0.9 (the gateway to 192.168.7.0/24), the link 172.31.0.0/16 of eth0"));
  EXPECT_EQ(clash("172.31.0.0/16"), clash("172.31.0.0/28"));
  EXPECT_EQ(
      clash("172.16.0.0/12"),
      text("172.31.0.3 (the address of eth0), 172.31.0.1 (the default gateway), "
           "172.31.0.9 (the gateway to 192.168.7.0/24), 172.20.0.5 (an endpoint of the store), "
           "the link 172.31.0.0/16 of eth0"));
}

TEST_P(SurroundingsTest, APartOfTheLinkIsEnough) {
  EXPECT_EQ(clash("172.31.128.0/17"), text("the link 172.31.0.0/16 of eth0"));
}

TEST_P(SurroundingsTest, BehindNatTheAnnouncedAddressCountsToo) {
  underlay_.at(family())->public_ip = ip("203.0.113.7");
  EXPECT_EQ(clash("203.0.113.0/24"), text("203.0.113.7 (our public IP)"));
}

// Containers are attached to a bridge of this host that has an address in the network.
TEST_P(SurroundingsTest, BridgesAndOurOwnDevicesMayBeInTheNetwork) {
  host_.interfaces[3].addresses = {on_link("10.5.1.1/24")};
  host_.routes.push_back({net("192.168.8.0/24"), 4, ip("10.5.1.7")});
  EXPECT_EQ(clash("10.5.0.0/16"), "none");
}

TEST_P(SurroundingsTest, ManyAreCounted) {
  for (std::uint8_t n = 1; n <= 20; ++n)
    endpoints_.push_back(ip("10.5.0.0").plus(n));
  EXPECT_TRUE(clash("10.5.0.0/16").ends_with(text("10.5.0.5 (an endpoint of the store), 15 more")));
}

TEST_P(SurroundingsTest, TheSentenceNamesTheRemedy) {
  const std::string key = family() == Family::v4 ? "Network" : "IPv6Network";
  EXPECT_EQ(sentence(*find_clash(net("10.9.0.0/16"), look("10.9.0.0/16"))),
            "network: " + key +
                text(" 10.9.0.0/16 overlaps what this host uses outside of the overlay: "
                     "10.9.0.53 (a name server). No subnet around such an address is "
                     "leased or routed to, and the subnets of peers are routed one by one, also "
                     "where the network would be; remedy: choose another ") +
                key + " that nothing else uses");
}

// The metric of the kernel's route for the address of our device is 0, and in IPv6 256.
TEST_P(SurroundingsTest, TheHolderOfTheNetworkIsTheDeviceWhoseRouteGoesFirst) {
  const std::uint32_t metric = family() == Family::v4 ? 0 : 256;
  const HostRoute docker{net("10.5.0.0/16"), 4, {}, metric};
  const HostRoute ours{net("10.5.0.0/16"), 5, {}, metric};
  EXPECT_EQ(holder("10.5.0.0/16"), "");
  host_.routes = {docker};
  EXPECT_EQ(holder("10.5.0.0/16"), "docker0");
  EXPECT_EQ(holder("10.0.0.0/8"), "") << "a longer one, of a part";
  EXPECT_EQ(holder("10.5.1.0/24"), "") << "a shorter one";
  host_.routes = {docker, ours};
  EXPECT_EQ(holder("10.5.0.0/16"), "docker0");
  host_.routes = {ours, docker};
  EXPECT_EQ(holder("10.5.0.0/16"), "");
  host_.routes = {{net("10.5.0.0/16"), 4, {}, metric + 1}};
  EXPECT_EQ(holder("10.5.0.0/16"), "") << "ours will go before it";
  host_.routes = {{net("172.31.0.0/16"), 2, {}, metric}};
  EXPECT_EQ(holder("172.31.0.0/16"), "") << "the underlay's is a clash";
  host_.routes = {{net("10.5.0.0/16"), 2, ip("172.31.0.9"), metric}, ours};
  EXPECT_EQ(holder("10.5.0.0/16"), family() == Family::v6 ? "eth0" : "")
      << "ours takes its place in IPv4";
}

TEST_P(SurroundingsTest, AHolderIsNamedWithTheRemedy) {
  EXPECT_EQ(find_held(net("10.5.0.0/16"), look("10.5.0.0/16")), std::nullopt);
  EXPECT_EQ(sentence(*find_held(net("172.17.0.0/16"), look("172.17.0.0/16"))),
            text("kernel: packets to 172.17.0.0/16 leave by docker0, whose route to it goes before "
                 "that of the overlay's device; remedy: take the address or the route in that "
                 "network from "
                 "docker0, or choose another ") +
                (family() == Family::v4 ? "Network" : "IPv6Network"));
}

TEST_P(SurroundingsTest, TheFirstAddressOfALinkIsNoHosts) {
  const LocalAddress link{"eth0", ip("172.28.0.4"), on_link("172.28.0.4/16").bits};
  EXPECT_TRUE(link.has_no_host(ip("172.28.0.0")));
  EXPECT_FALSE(link.has_no_host(ip("172.28.0.255")));
  const std::uint8_t all = address_bits(family());
  for (const int bits : {all - 1, int{all}}) {
    const LocalAddress pair{"eth0", ip("172.28.0.4"), static_cast<std::uint8_t>(bits)};
    EXPECT_FALSE(pair.has_no_host(ip("172.28.0.4"))) << bits;
    EXPECT_FALSE(pair.has_no_host(ip("172.28.0.5"))) << bits;
  }
}

TEST(LocalAddressTest, OnlyIPv4HasABroadcastAddress) {
  const LocalAddress v4{"eth0", address("172.28.0.4"), 16};
  EXPECT_TRUE(v4.has_no_host(address("172.28.255.255")));
  const LocalAddress v6{"eth0", address("2001:db8::4"), 64};
  EXPECT_TRUE(v6.has_no_host(address("2001:db8::")));
  EXPECT_FALSE(v6.has_no_host(address("2001:db8::ffff:ffff:ffff:ffff")));
}

// Each link has fe80::/10, and the gateway of router advertisements is there.
TEST(BothFamiliesTest, EachNetworkHasItsOwnRivalsAndLinkLocalAddressesAreNotInUse) {
  const HostView host{
      .interfaces = {{.index = 2,
                      .name = "eth0",
                      .addresses = {{address("10.5.0.3"), 16},
                                    {address("2001:db8::3"), 64},
                                    {address("fe80::3"), 64}}},
                     {.index = 4, .name = "docker0", .addresses = {{address("fd00:5::1"), 48}}}},
      .default_routes = {{.family = Family::v6,
                          .interface_index = 2,
                          .gateway = address("fe80::1")}},
      .lookup_route = {},
      .routes = {{prefix("fd00:5::/48"), 4, {}, 256}}};
  const UnderlayAddress v4{address("10.5.0.3"), address("10.5.0.3")};
  const UnderlayAddress v6{address("2001:db8::3"), address("2001:db8::3")};
  const Underlay underlay{.interface = "eth0", .interface_index = 2, .v4 = v4, .v6 = v6};
  const std::array networks{prefix("10.5.0.0/16"), prefix("fd00:5::/48")};
  const Surroundings found = find_surroundings(host, underlay, networks, {}, {});
  EXPECT_EQ(found.in_use, (std::vector<AddressInUse>{{v4.ip, "the address of eth0"},
                                                     {v6.ip, "the address of eth0"}}));
  EXPECT_EQ(
      found.networks,
      (std::vector<NetworkRivals>{
          {networks[0], AddressInUse{address("10.5.0.0"), "the link 10.5.0.0/16 of eth0"}, ""},
          {networks[1], std::nullopt, "docker0"}}));
  EXPECT_TRUE(find_clash(networks[0], found));
  EXPECT_FALSE(find_held(networks[0], found));
  EXPECT_FALSE(find_clash(networks[1], found));
  EXPECT_TRUE(find_held(networks[1], found));
}

TEST(NameServersTest, AreRead) {
  EXPECT_EQ(parse_name_servers("# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.2\n"
                               "nameserver\t 10.0.0.3 \nnameserver fd00::53\nnameserver "
                               "fe80::1%eth0\nsortlist 10.0.0.9\n"
                               "nameserver 127.0.0.53"),
            (std::vector<IpAddress>{address("10.0.0.2"), address("10.0.0.3"), address("fd00::53"),
                                    address("127.0.0.53")}));
  EXPECT_TRUE(parse_name_servers("").empty());
}

}  // namespace
}  // namespace flannel::surroundings_test
