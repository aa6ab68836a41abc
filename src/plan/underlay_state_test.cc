// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_state.h"

#include <gtest/gtest.h>

#include <functional>

namespace flannel::underlay_state_test {
namespace {

InterfaceAddress address(const char* cidr) {
  const std::string text = cidr;
  const auto slash = text.find('/');
  return {.ip = IpAddress::parse(text.substr(0, slash)).value(),
          .bits = static_cast<std::uint8_t>(std::stoi(text.substr(slash + 1)))};
}

const Underlay kUsed{
    .interface = "eth0",
    .interface_index = 2,
    .mtu = 1500,
    .v4 = UnderlayAddress{IpAddress::v4(192, 0, 2, 1), IpAddress::v4(192, 0, 2, 1)}};

HostView host() {
  HostView view;
  view.interfaces = {{.index = 1, .name = "lo", .mtu = 65536, .up = true, .addresses = {}},
                     {.index = 2,
                      .name = "eth0",
                      .mtu = 1500,
                      .up = true,
                      .addresses = {address("192.0.2.1/24")}}};
  view.default_routes = {{.interface_index = 2}};
  return view;
}

// One line for each problem, with the prefix "dead: " if no packet of the overlay passes.
std::string problems(const HostView& view, const UnderlayRequest& request = {},
                     const Underlay& used = kUsed) {
  std::string text;
  for (const Problem& problem : underlay_state(used, request, view).problems) {
    text += any_critical({problem}) ? "dead: " : "";
    text += in_words(problem) + "\n";
  }
  return text;
}

TEST(UnderlayStateTest, ANewAddressOrRouteDoesNotReplaceTheUnderlay) {
  struct Row {
    const char* what;
    std::function<void(HostView&)> change;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"nothing changed", [](HostView&) {}},
           {"a virtual address before ours",
            [](HostView& v) {
              v.interfaces[1].addresses.insert(v.interfaces[1].addresses.begin(),
                                               address("192.0.2.100/32"));
            }},
           {"an address of the same network before ours",
            [](HostView& v) {
              v.interfaces[1].addresses.insert(v.interfaces[1].addresses.begin(),
                                               address("192.0.2.100/24"));
            }},
           {"ours is deprecated",
            [](HostView& v) {
              v.interfaces[1].addresses[0].deprecated = true;
              v.interfaces[1].addresses.push_back(address("192.0.2.9/24"));
            }},
           {"a better default route by another interface", [](HostView& v) {
              v.interfaces.push_back({.index = 3,
                                      .name = "eth1",
                                      .mtu = 9000,
                                      .up = true,
                                      .addresses = {address("198.51.100.1/24")}});
              v.default_routes = {{.interface_index = 3}, {.interface_index = 2}};
            }}}) {
    HostView view = host();
    row.change(view);
    EXPECT_EQ(problems(view), "") << row.what;
    EXPECT_EQ(underlay_state(kUsed, {}, view).underlay, kUsed) << row.what;
  }
}

TEST(UnderlayStateTest, AnInterfaceIsIdentifiedByIndexAndAfterRecreationByName) {
  HostView view = host();
  view.interfaces[1].name = "wan";
  Underlay renamed = kUsed;
  renamed.interface = "wan";
  EXPECT_EQ(underlay_state(kUsed, {}, view).underlay, renamed);
  EXPECT_EQ(problems(view), "");
  // Another interface took the name meanwhile.
  view.interfaces.push_back({.index = 7, .name = "eth0", .mtu = 1500, .up = true, .addresses = {}});
  EXPECT_EQ(underlay_state(kUsed, {}, view).underlay, renamed);

  view = host();
  view.interfaces[1].index = 9;
  view.default_routes = {{.interface_index = 9}};
  Underlay anew = kUsed;
  anew.interface_index = 9;
  EXPECT_EQ(underlay_state(kUsed, {}, view).underlay, anew);
  EXPECT_EQ(problems(view), "");
}

TEST(UnderlayStateTest, WithoutTheAnnouncedAddressNothingPassesAndTheRemedyIsNamed) {
  HostView view = host();
  view.interfaces[1].addresses = {address("192.0.2.9/24")};
  EXPECT_EQ(
      problems(view),
      "dead: eth0 has lost 192.0.2.1, to which all peers send; if it stays so, this host uses "
      "192.0.2.9 of eth0 in a few seconds; remedy: ip address add 192.0.2.1/BITS dev eth0\n");
  // A new bridge over the interface took the address.
  view.interfaces[1].addresses.clear();
  view.interfaces.push_back(
      {.index = 5, .name = "br0", .mtu = 1500, .up = true, .addresses = {address("192.0.2.1/24")}});
  EXPECT_EQ(problems(view),
            "dead: eth0 has lost 192.0.2.1, to which all peers send (br0 has it now); remedy: ip "
            "address add "
            "192.0.2.1/BITS dev eth0\n");
  // The default route has followed.
  view.default_routes = {{.interface_index = 5}};
  EXPECT_EQ(
      problems(view),
      "dead: eth0 has lost 192.0.2.1, to which all peers send (br0 has it now); if it stays so, "
      "this host uses 192.0.2.1 of br0 in a few seconds; remedy: ip address add 192.0.2.1/BITS dev "
      "eth0\n");
  Underlay behind_nat = kUsed;
  behind_nat.v4->public_ip = IpAddress::v4(203, 0, 113, 7);
  EXPECT_NE(problems(view, {}, behind_nat).find("has lost 192.0.2.1, it sends from (br0"),
            std::string::npos)
      << problems(view, {}, behind_nat);
  view.interfaces.erase(view.interfaces.begin() + 1);
  view.default_routes.clear();
  EXPECT_EQ(problems(view),
            "dead: the interface eth0 is gone, so nothing passes; remedy: bring eth0 back with "
            "192.0.2.1\n");
}

TEST(UnderlayStateTest, AnInterfaceThatIsDownOrHasNoCarrierIsNamed) {
  HostView view = host();
  view.interfaces[1].carrier = false;
  EXPECT_EQ(problems(view),
            "dead: eth0 has no carrier; remedy: see that its cable and the other end of it are "
            "plugged in "
            "and up\n");
  view.interfaces[1].up = false;
  EXPECT_EQ(problems(view), "dead: eth0 is down; remedy: ip link set eth0 up\n");
}

// "192.0.2.9 of eth0"
std::string next(const HostView& view, const UnderlayRequest& request = {}) {
  const auto next = underlay_state(kUsed, request, view).next;
  return next ? to_string(next->underlay.v4->ip) + " of " + next->underlay.interface : "none";
}

TEST(UnderlayStateTest, AnotherChoiceTakesThePlaceOfWhatIsGone) {
  HostView view = host();
  view.interfaces[1].addresses = {address("192.0.2.9/24")};
  EXPECT_EQ(next(view), "192.0.2.9 of eth0") << "another address";
  EXPECT_EQ(next(view, {.interfaces = {"eth0"}}), "192.0.2.9 of eth0");
  EXPECT_EQ(next(view, {.interfaces = {"eth7"}}), "none") << "not what was asked for";
  view = host();
  view.interfaces.push_back({.index = 3,
                             .name = "eth1",
                             .mtu = 9000,
                             .up = true,
                             .addresses = {address("198.51.100.1/24")}});
  EXPECT_EQ(next(view), "none");
  view.default_routes = {{.interface_index = 3}, {.interface_index = 2}};
  EXPECT_EQ(next(view), "none") << "a better default route, beside ours";
  view.default_routes = {{.interface_index = 3}};
  EXPECT_EQ(next(view), "198.51.100.1 of eth1") << "the default route has moved";
  EXPECT_EQ(next(view, {.interfaces = {"eth0"}}), "none") << "it was never asked for";
  view.default_routes.clear();
  EXPECT_EQ(next(view), "none") << "there is none now";
  view = host();
  view.interfaces[1].up = false;
  EXPECT_EQ(next(view), "none") << "it is down, and may come up";
}

TEST(UnderlayStateTest, ThePresentMtuIsUsed) {
  HostView view = host();
  view.interfaces[1].mtu = 1400;
  EXPECT_EQ(underlay_state(kUsed, {}, view).underlay.mtu, 1400U);
  EXPECT_EQ(problems(view), "");
}

TEST(UnderlayStateTest, SomeTrafficPassesWithoutADefaultRoute) {
  HostView view;
  view = host();
  view.default_routes.clear();
  EXPECT_EQ(problems(view),
            "there is no default route any more: peers that are not on the link of eth0 cannot be "
            "reached; remedy: ip route add default via GATEWAY dev eth0\n");
  for (const UnderlayRequest& other :
       std::initializer_list<UnderlayRequest>{{.interfaces = {"eth0"}},
                                              {.regexes = {"eth."}},
                                              {.can_reach = "192.0.2.9"},
                                              {.public_ip = "192.0.2.1"}}) {
    EXPECT_EQ(problems(view, other), "") << "it was never asked for";
  }
}

TEST(UnderlayStateTest, AnAdvertisedDefaultRouteEndsOnAHostThatIgnoresAdvertisements) {
  Underlay used = kUsed;
  const IpAddress ip = address("2001:db8::1/64").ip;
  used.v6 = UnderlayAddress{ip, ip};
  HostView view = host();
  Interface& eth0 = view.interfaces[1];
  eth0.addresses.push_back(address("2001:db8::1/64"));
  view.default_routes.push_back({.family = Family::v6, .interface_index = 2, .advertised = true});
  EXPECT_EQ(problems(view, {}, used), "") << "accept_ra is 2, or another program renews the route";
  eth0.ignores_advertisements = true;
  constexpr const char* kEnds =
      "the IPv6 default route by eth0 is from a router advertisement and will end: this host "
      "forwards IPv6, so Linux ignores further ones; remedy: sysctl -w "
      "net/ipv6/conf/eth0/accept_ra=2\n";
  EXPECT_EQ(problems(view, {}, used), kEnds);
  EXPECT_EQ(problems(view, {.interfaces = {"eth0"}}, used), kEnds);
  EXPECT_EQ(problems(view), "") << "the overlay does not use it";
  view.default_routes[1].interface_index = 1;
  EXPECT_EQ(problems(view, {}, used), "") << "by another interface";
  view.default_routes[1].interface_index = 2;
  view.default_routes[1].advertised = false;
  EXPECT_EQ(problems(view, {}, used), "") << "an operator's stays";
  view.default_routes.pop_back();
  EXPECT_EQ(problems(view, {}, used),
            "there is no IPv6 default route: this host forwards IPv6, so Linux ignores the router "
            "advertisements on eth0; remedy: sysctl -w net/ipv6/conf/eth0/accept_ra=2\n");
}

}  // namespace
}  // namespace flannel::underlay_state_test
