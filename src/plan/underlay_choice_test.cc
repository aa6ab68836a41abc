// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_choice.h"

#include <gtest/gtest.h>

namespace flannel::underlay_choice_test {
namespace {

InterfaceAddress address(const char* ip, bool permanent = true) {
  return {.ip = IpAddress::parse_v4(ip).value(), .bits = 24, .permanent = permanent};
}

// eth0 with two addresses and the default route, eth1 with one leased by DHCP, lo.
HostView two_nics() {
  HostView view;
  view.interfaces = {
      {.index = 1, .name = "lo", .mtu = 65536, .up = true, .addresses = {address("127.0.0.1")}},
      {.index = 2,
       .name = "eth0",
       .mtu = 1500,
       .up = true,
       .addresses = {address("169.254.3.4"), address("192.0.2.9", false), address("192.0.2.1")}},
      {.index = 3,
       .name = "eth1",
       .mtu = 9000,
       .up = true,
       .addresses = {address("198.51.100.1", false)}}};
  view.default_routes = {{.interface_index = 2}, {.interface_index = 3}};
  view.lookup_route = [](IpAddress to) -> Result<RouteLookup> {
    if (to == IpAddress::v4(203, 0, 113, 1)) {
      return RouteLookup{.interface_index = 3,
                         .source = IpAddress::v4(198, 51, 100, 1),
                         .gateway = IpAddress::v4(198, 51, 100, 254)};
    }
    return fail(ErrorKind::unavailable, "no route");
  };
  return view;
}

std::string chosen(const UnderlayRequest& request, const HostView& host = two_nics()) {
  const auto choice = choose_underlay(request, host);
  if (!choice) return "error: " + choice.error().text;
  const Underlay& underlay = choice->underlay;
  return underlay.interface + " " + to_string(underlay.v4->ip) + " as " +
         to_string(underlay.v4->public_ip) + " mtu " + std::to_string(underlay.mtu);
}

TEST(UnderlayTest, TheDefaultRouteDecidesWhenNothingIsAsked) {
  EXPECT_EQ(chosen({}), "eth0 192.0.2.1 as 192.0.2.1 mtu 1500")
      << "permanent before leased, global before link-local";
}

TEST(UnderlayTest, TheChoiceHasItsReasons) {
  const auto choice = choose_underlay({.interfaces = {"eth9", "eth1"}}, two_nics()).value();
  EXPECT_EQ(choice.reasons,
            (std::vector<std::string>{
                "Could not find valid interface matching eth9: there is no interface called "
                "\"eth9\", this host has eth0, eth1",
                "Using interface with name eth1 and address 198.51.100.1: --iface=eth1",
                "Defaulting external address to interface address (198.51.100.1)"}));
}

TEST(UnderlayTest, InterfacesAreTriedInOrderByNameOrAddress) {
  EXPECT_EQ(chosen({.interfaces = {"eth1", "eth0"}}), "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
  EXPECT_EQ(chosen({.interfaces = {"192.0.2.9"}}), "eth0 192.0.2.9 as 192.0.2.9 mtu 1500");
  EXPECT_EQ(chosen({.interfaces = {"10.9.9.9"}})
                .find("error: Failed to find interface to use that matches"),
            0U);
}

TEST(UnderlayTest, RegexesMatchAddressesThenNamesAfterAllInterfaces) {
  EXPECT_EQ(chosen({.regexes = {"198\\.51"}}), "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
  EXPECT_EQ(chosen({.regexes = {"^eth1$"}}), "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
  EXPECT_EQ(chosen({.interfaces = {"eth0"}, .regexes = {"eth1"}}),
            "eth0 192.0.2.1 as 192.0.2.1 mtu 1500");
  EXPECT_EQ(chosen({.regexes = {"(", "192.0.2.9"}}), "eth0 192.0.2.9 as 192.0.2.9 mtu 1500")
      << "a broken one is skipped";
}

TEST(UnderlayTest, CanReachUsesARouteLookupAndIsTriedLast) {
  EXPECT_EQ(chosen({.can_reach = "203.0.113.1"}), "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
  EXPECT_EQ(chosen({.interfaces = {"eth0"}, .can_reach = "203.0.113.1"}),
            "eth0 192.0.2.1 as 192.0.2.1 mtu 1500");
  EXPECT_NE(chosen({.can_reach = "example.org"}).find("not an IP"), std::string::npos);
  EXPECT_NE(chosen({.can_reach = "203.0.113.9"}).find("no route"), std::string::npos);
  HostView host = two_nics();
  host.lookup_route = [](IpAddress) -> Result<RouteLookup> {
    return RouteLookup{.interface_index = 3, .source = {}, .gateway = {}};
  };
  EXPECT_NE(chosen({.can_reach = "203.0.113.1"}, host).find("no source address"),
            std::string::npos);
}

TEST(UnderlayTest, TheHostThatHasTheAddressToReachUsesItAndNotLoopback) {
  HostView host = two_nics();
  host.lookup_route = [](IpAddress to) -> Result<RouteLookup> {
    return RouteLookup{.interface_index = 1, .source = to, .gateway = {}};
  };
  EXPECT_EQ(chosen({.can_reach = "198.51.100.1"}, host),
            "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
}

TEST(UnderlayTest, AnEmptyNameMeansTheDefaultRoute) {
  EXPECT_EQ(chosen({.interfaces = {""}}), "eth0 192.0.2.1 as 192.0.2.1 mtu 1500");
}

InterfaceAddress six(const char* ip, std::uint8_t bits = 64) {
  return {.ip = IpAddress::parse_v6(ip).value(), .bits = bits};
}

// eth0 with both families, eth1 with IPv4 only, eth2 with IPv6 only; default routes by eth0.
HostView two_families() {
  HostView view = two_nics();
  view.interfaces[1].addresses = {address("192.0.2.1"), six("fe80::1"), six("fd00::1"),
                                  six("2001:db8::1")};
  view.interfaces.push_back({.index = 4,
                             .name = "eth2",
                             .mtu = 1400,
                             .up = true,
                             .addresses = {six("fe80::2"), six("2001:db8:2::1")}});
  view.default_routes = {{.interface_index = 2},
                         {.family = Family::v6,
                          .interface_index = 2,
                          .gateway = IpAddress::parse_v6("fe80::ff").value()}};
  return view;
}

UnderlayRequest dual(UnderlayRequest request = {}) {
  request.v4 = request.v6 = Need::wanted;
  return request;
}

// "eth0 192.0.2.1 2001:db8::1": interface and addresses, "as X" after one that is announced as X.
std::string both(const UnderlayRequest& request, const HostView& host = two_families()) {
  const auto choice = choose_underlay(request, host);
  if (!choice) return "error: " + choice.error().text;
  std::string text = choice->underlay.interface;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto& address = choice->underlay.at(family);
    if (!address) continue;
    text += " " + to_string(address->ip);
    if (address->public_ip != address->ip) text += " as " + to_string(address->public_ip);
  }
  return text;
}

TEST(UnderlayFamiliesTest, EachWantedFamilyGetsItsAddressOfOneInterface) {
  EXPECT_EQ(both({}), "eth0 192.0.2.1") << "IPv6 is not wanted";
  EXPECT_EQ(both(dual()), "eth0 192.0.2.1 2001:db8::1");
  UnderlayRequest only6{.v4 = Need::none, .v6 = Need::required};
  EXPECT_EQ(both(only6), "eth0 2001:db8::1");
  for (const char* name : {"eth0", "192.0.2.1", "2001:db8::1"})
    EXPECT_EQ(both(dual({.interfaces = {name}})), "eth0 192.0.2.1 2001:db8::1") << name;
  EXPECT_EQ(both(dual({.interfaces = {"fd00::1"}})), "eth0 192.0.2.1 fd00::1");
  EXPECT_EQ(both({.interfaces = {"fd00::1"}}), "eth0 192.0.2.1") << "it names the interface";
  EXPECT_EQ(both(dual({.regexes = {"^2001"}})), "eth0 192.0.2.1 2001:db8::1");
  EXPECT_EQ(both(dual({.regexes = {"^fd00"}})), "eth0 192.0.2.1 fd00::1");
  EXPECT_EQ(both(dual({.can_reach = "2001:db8:2::1"})), "eth2 2001:db8:2::1");
}

TEST(UnderlayFamiliesTest, AnInterfaceWithBothGoesBeforeAnEarlierOneWithOne) {
  EXPECT_EQ(both(dual({.interfaces = {"eth1", "eth0"}})), "eth0 192.0.2.1 2001:db8::1");
  EXPECT_EQ(both(dual({.interfaces = {"eth1", "eth2"}})), "eth1 198.51.100.1");
  EXPECT_EQ(both(dual({.regexes = {"198|2001"}})), "eth0 192.0.2.1 2001:db8::1");
}

TEST(UnderlayFamiliesTest, AMissingFamilyIsAReasonAndARequiredOneAnError) {
  EXPECT_EQ(choose_underlay(dual({.interfaces = {"eth1"}}), two_families()).value().reasons,
            (std::vector<std::string>{
                "Using interface with name eth1 and address 198.51.100.1: --iface=eth1",
                "No IPv6 underlay: interface eth1 has no usable IPv6 address",
                "Defaulting external address to interface address (198.51.100.1)"}));
  UnderlayRequest request = dual({.interfaces = {"eth2"}});
  EXPECT_EQ(choose_underlay(request, two_families()).value().reasons,
            (std::vector<std::string>{
                "Using interface with name eth2 and v6 address 2001:db8:2::1: --iface=eth2",
                "No IPv4 underlay: interface eth2 has no usable IPv4 address",
                "Defaulting external v6 address to interface address (2001:db8:2::1)"}));
  request.v4 = Need::required;
  EXPECT_NE(both(request).find("interface eth2 has no usable IPv4 address"), std::string::npos);
}

TEST(UnderlayFamiliesTest, NoIpv6AddressIsTakenThatDoesNotLastOrIsNotUnique) {
  for (const auto& [flaw, spoil] :
       std::initializer_list<std::pair<const char*, void (*)(InterfaceAddress&)>>{
           {"temporary", [](InterfaceAddress& a) { a.temporary = true; }},
           {"deprecated", [](InterfaceAddress& a) { a.deprecated = true; }},
           {"not shown to be unique", [](InterfaceAddress& a) { a.unproven = true; }},
           {"link-local",
            [](InterfaceAddress& a) { a.ip.bytes[0] = 0xfe, a.ip.bytes[1] = 0x80; }}}) {
    HostView host = two_families();
    auto& addresses = host.interfaces[1].addresses;
    addresses = {address("192.0.2.1"), six("2001:db8::1"), six("fd00::1")};
    spoil(addresses[1]);
    EXPECT_EQ(both(dual(), host), "eth0 192.0.2.1 fd00::1") << flaw;
    const std::string given = to_string(addresses[1].ip);
    EXPECT_NE(both(dual({.interfaces = {given}}), host).find(flaw), std::string::npos) << flaw;
    addresses.pop_back();
    EXPECT_EQ(both(dual(), host), "eth0 192.0.2.1") << flaw;
    EXPECT_NE(choose_underlay(dual(), host)->reasons[1].find(flaw), std::string::npos) << flaw;
  }
}

TEST(UnderlayFamiliesTest, AnAddressOfDhcpv6GoesBeforeAnAdvertisedOneAndAVirtualOneLast) {
  HostView host = two_families();
  auto& addresses = host.interfaces[1].addresses;
  addresses = {six("2001:db8::7", 128), six("2001:db8::1")};
  EXPECT_EQ(both(dual(), host), "eth0 2001:db8::1") << "a permanent /128 beside a /64";
  addresses = {six("2001:db8::7", 128), six("2001:db8::1")};
  addresses[0].permanent = addresses[1].permanent = false;
  EXPECT_EQ(both(dual(), host), "eth0 2001:db8::7");
}

TEST(UnderlayFamiliesTest, PublicAddressesOfBothFamilies) {
  EXPECT_EQ(both(dual({.public_ip = "192.0.2.1"})), "eth0 192.0.2.1 2001:db8::1");
  EXPECT_EQ(both(dual({.public_ipv6 = "fd00::1"})), "eth0 192.0.2.1 fd00::1");
  EXPECT_EQ(both(dual({.public_ip = "192.0.2.1", .public_ipv6 = "fd00::1"})),
            "eth0 192.0.2.1 fd00::1");
  EXPECT_EQ(
      both(dual(
          {.interfaces = {"eth0"}, .public_ip = "203.0.113.7", .public_ipv6 = "2001:db8:9::1"})),
      "eth0 192.0.2.1 as 203.0.113.7 2001:db8::1 as 2001:db8:9::1");
  EXPECT_EQ(both(dual({.public_ipv6 = "2001:db8:9::1"}))
                .find("error: Failed to find any valid interface to use: --public-ipv6 alone"),
            0U);
  EXPECT_NE(both(dual({.public_ip = "fd00::1"})).find("--public-ip"), std::string::npos);
}

TEST(UnderlayFamiliesTest, TheIpv4DefaultRouteDecidesAndThenThatOfIpv6) {
  HostView host = two_families();
  host.default_routes = {{.interface_index = 3}, {.family = Family::v6, .interface_index = 2}};
  EXPECT_EQ(both(dual(), host), "eth1 198.51.100.1");
  host.default_routes.erase(host.default_routes.begin());
  EXPECT_EQ(both(dual(), host), "eth0 192.0.2.1 2001:db8::1");
  EXPECT_NE(both({}, host).find("Unable to find default route"), std::string::npos)
      << "the route of the other family says nothing about IPv4";
  host.default_routes[0].interface_index = 4;
  host.interfaces[3].addresses = {six("fe80::2")};
  EXPECT_EQ(both(dual(), host), "eth0 192.0.2.1 2001:db8::1") << "beside link-local ones only";
}

TEST(UnderlayFamiliesTest, AKernelWithoutIpv6IsNamed) {
  HostView host = two_nics();
  host.has_ipv6 = false;
  const auto choice = choose_underlay(dual(), host).value();
  EXPECT_FALSE(choice.underlay.v6);
  EXPECT_EQ(choice.reasons[1],
            "No IPv6 underlay: this kernel has no IPv6: it was started with ipv6.disable=1, or the "
            "module ipv6 is missing");
}

TEST(UnderlayTest, AnInterfaceThatIsDownIsChosenWithANote) {
  HostView host = two_nics();
  host.interfaces[1].up = false;
  EXPECT_EQ(choose_underlay({}, host).value().reasons[0],
            "Using interface with name eth0 and address 192.0.2.1: it has the default route (it is "
            "down)");
}

TEST(UnderlayTest, ADefaultRouteOnALinkWithCarrierIsPreferred) {
  HostView host = two_nics();
  host.interfaces[1].carrier = false;
  EXPECT_EQ(chosen({}, host), "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
  host.default_routes = {{.interface_index = 2}};
  EXPECT_EQ(
      choose_underlay({}, host).value().reasons[0],
      "Using interface with name eth0 and address 192.0.2.1: it has the default route (it has "
      "no carrier)");
}

// A host that reaches no other network may have a dummy default route.
TEST(UnderlayTest, ALinkLocalAddressIsTakenOnlyWhereThereIsNothingElse) {
  HostView host = two_nics();
  host.interfaces[1].addresses = {address("169.254.255.254")};
  host.default_routes = {{.interface_index = 2}};
  EXPECT_EQ(chosen({}, host), "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
  EXPECT_EQ(choose_underlay({}, host).value().reasons[0],
            "Using interface with name eth1 and address 198.51.100.1: the interface of the default "
            "route has a link-local address only");
  host.interfaces[2].carrier = false;
  EXPECT_EQ(chosen({}, host), "eth0 169.254.255.254 as 169.254.255.254 mtu 1500");
}

TEST(UnderlayTest, TheSourceOfTheDefaultRouteGoesFirstAndALoneAddressBesideAWiderOneLast) {
  const auto vip = [](const char* ip) {
    return InterfaceAddress{.ip = IpAddress::parse_v4(ip).value(), .bits = 32};
  };
  struct Row {
    const char* what;
    std::vector<InterfaceAddress> addresses;
    DefaultRoute route;
    const char* chosen;
  };
  const auto gateway = IpAddress::v4(192, 0, 2, 254);
  for (const Row& row : std::initializer_list<Row>{
           {"its src",
            {address("192.0.2.1"), address("192.0.2.9")},
            {.interface_index = 2, .source = IpAddress::v4(192, 0, 2, 9), .gateway = gateway},
            "192.0.2.9"},
           {"its src, though leased",
            {address("192.0.2.1"), address("192.0.2.9", false)},
            {.interface_index = 2, .source = IpAddress::v4(192, 0, 2, 9), .gateway = gateway},
            "192.0.2.9"},
           {"its src, though a /32",
            {address("192.0.2.1"), vip("192.0.2.100")},
            {.interface_index = 2, .source = IpAddress::v4(192, 0, 2, 100), .gateway = gateway},
            "192.0.2.100"},
           {"a src of another interface says nothing",
            {vip("192.0.2.100"), address("192.0.2.1")},
            {.interface_index = 2, .source = IpAddress::v4(10, 0, 0, 1), .gateway = gateway},
            "192.0.2.1"},
           {"Linux's own choice: the network of the gateway",
            {address("203.0.113.7"), address("192.0.2.1")},
            {.interface_index = 2, .gateway = gateway},
            "192.0.2.1"},
           {"a virtual address that is first",
            {vip("192.0.2.100"), address("192.0.2.1")},
            {.interface_index = 2, .gateway = gateway},
            "192.0.2.1"},
           {"the same, the real one leased, and the route without a gateway",
            {vip("192.0.2.100"), address("192.0.2.1", false)},
            {.interface_index = 2},
            "192.0.2.1"},
           {"the only wider one is link-local: then a /32 is the host's own",
            {address("169.254.3.4"), vip("192.0.2.100")},
            {.interface_index = 2},
            "192.0.2.100"},
           {"nothing but /32: the first",
            {vip("192.0.2.100"), vip("192.0.2.1")},
            {.interface_index = 2, .gateway = gateway},
            "192.0.2.100"}}) {
    HostView host = two_nics();
    host.interfaces[1].addresses = row.addresses;
    host.default_routes = {row.route};
    const std::string expected = std::string("eth0 ") + row.chosen + " as " + row.chosen;
    EXPECT_EQ(chosen({}, host), expected + " mtu 1500") << row.what;
    EXPECT_EQ(chosen({.interfaces = {"eth0"}}, host), expected + " mtu 1500") << row.what;
    EXPECT_EQ(chosen({.regexes = {"eth0"}}, host), expected + " mtu 1500") << row.what;
  }
}

TEST(UnderlayTest, WithoutIp4TheErrorNamesTheMissingAddress) {
  HostView host = two_nics();
  host.default_routes.clear();
  host.interfaces[1].addresses.clear();
  host.interfaces[2].addresses.clear();
  EXPECT_EQ(
      chosen({}, host),
      "error: Failed to find any valid interface to use: this host has no usable IPv4 address "
      "but loopback's");
}

TEST(UnderlayTest, AnInterfaceWithoutMtuIsNone) {
  HostView host = two_nics();
  host.interfaces[1].mtu = 0;
  EXPECT_NE(chosen({}, host).find("interface eth0 has no MTU"), std::string::npos);
  EXPECT_EQ(chosen({.interfaces = {"eth0", "eth1"}}, host),
            "eth1 198.51.100.1 as 198.51.100.1 mtu 9000");
}

TEST(UnderlayTest, APublicIpAloneMustBeLocalAndWithAnInterfaceNeedNot) {
  EXPECT_EQ(chosen({.public_ip = "192.0.2.9"}), "eth0 192.0.2.9 as 192.0.2.9 mtu 1500");
  EXPECT_EQ(
      chosen({.public_ip = "203.0.113.7"}).find("error: Failed to find any valid interface to use"),
      0U);
  EXPECT_EQ(chosen({.interfaces = {"eth1"}, .public_ip = "203.0.113.7"}),
            "eth1 198.51.100.1 as 203.0.113.7 mtu 9000");
  EXPECT_NE(chosen({.public_ip = "nonsense"}).find("--public-ip"), std::string::npos);
}

TEST(UnderlayTest, WithoutAUsableDefaultRouteTheRemedyIsNamed) {
  HostView host = two_nics();
  host.default_routes = {{.interface_index = std::nullopt}};
  EXPECT_NE(chosen({}, host).find("several next hops"), std::string::npos);
  host.default_routes.clear();
  EXPECT_NE(chosen({}, host).find("--iface"), std::string::npos);
  host = two_nics();
  host.interfaces[1].addresses.clear();
  EXPECT_NE(chosen({}, host).find("eth0 has no usable IPv4 address"), std::string::npos);
}

TEST(UnderlayTest, DeprecatedAndForeignAddressesAreNoCandidates) {
  HostView host = two_nics();
  host.interfaces[1].addresses = {address("192.0.2.5"), address("192.0.2.6")};
  host.interfaces[1].addresses[0].deprecated = true;
  EXPECT_EQ(chosen({}, host), "eth0 192.0.2.6 as 192.0.2.6 mtu 1500");
  host.interfaces[1].addresses = {address("192.0.2.5"), address("192.0.2.6")};
  host.interfaces[1].addresses[0].temporary = true;
  EXPECT_EQ(chosen({}, host), "eth0 192.0.2.6 as 192.0.2.6 mtu 1500");
}

}  // namespace
}  // namespace flannel::underlay_choice_test
