// SPDX-License-Identifier: Apache-2.0
#include "plan/host_troubles.h"

#include <gtest/gtest.h>

#include <regex>

#include "plan/net_state.h"
#include "support/in_family.h"

namespace flannel::host_troubles_test {
namespace {

class HostTroublesTest : public InFamily<testing::Test> {
 protected:
  OverlayView overlay() const {
    return {.network = net("10.5.0.0/16"),
            .own_subnet = net("10.5.7.0/24"),
            .peers = {net("10.5.2.0/24"), net("10.5.8.0/24"), net("10.5.9.0/25")},
            .device = "flannel.1"};
  }
  // One line for each trouble, with the prefix "dead: " if no packet of the overlay passes.
  std::string troubles(const HostState& host, const OverlayView& view) const {
    std::string lines;
    for (const HostTrouble& trouble : host_troubles(host, view))
      lines += (trouble.nothing_passes ? "dead: " : "") + trouble.text + "\n";
    return lines;
  }
  std::string troubles(const HostState& host) const { return troubles(host, overlay()); }
  // These lines in the words of the family.
  std::string said(const std::string& v4) const {
    const std::string said = text(v4);
    return family() == Family::v4 ? said
                                  : std::regex_replace(said, std::regex("ip route"), "ip -6 route");
  }
  // A route that the kernel does not prefer to one of ours to the same prefix.
  OtherRoute route(const char* to, const char* device) const {
    return {net(to), device, route_metric(family())};
  }
};

INSTANTIATE_TEST_SUITE_P(Both, HostTroublesTest, kBothFamilies, family_name);

TEST_P(HostTroublesTest, AHostThatForwardsAndRoutesItsOwnSubnetToItsBridgeIsWell) {
  EXPECT_EQ(troubles({}), "");
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {route("10.5.7.0/24", "docker0")}}), "");
  EXPECT_EQ(troubles({.ip_forward = false}), "") << "each device forwards by its own setting";
}

TEST_P(HostTroublesTest, ReportsThatNothingIsForwarded) {
  const HostState host{.ip_forward = false, .not_forwarding = {"flannel.1", "docker0"}};
  EXPECT_EQ(
      troubles(host),
      family() == Family::v4
          ? "net.ipv4.ip_forward is 0, so this host passes nothing between its containers and "
            "other hosts: sysctl -w net.ipv4.ip_forward=1 (Docker does that when it starts)\n"
          : "net.ipv6.conf.all.forwarding is 0, so this host passes no IPv6 between its "
            "containers and other hosts: sysctl -w net.ipv6.conf.all.forwarding=1 (if the "
            "default route comes from router advertisements, set accept_ra=2 for its device "
            "before)\n");
}

TEST_P(HostTroublesTest, OnlyIPv4IsForwardedByEachDevicesOwnSetting) {
  if (family() == Family::v6) return;
  EXPECT_EQ(troubles({.not_forwarding = {"flannel.1"}}),
            "what comes in by flannel.1 is not passed on, its forwarding is 0: sysctl -w "
            "net/ipv4/conf/flannel.1/forwarding=1\n");
}

TEST_P(HostTroublesTest, ARouteBeforeThatOfTheBridgeIsNamed) {
  const OtherRoute bridge{net("10.5.7.0/24"), "docker0", 5};
  const std::string taken = said(
      "dead: the route 10.5.7.0/24 dev tun3 goes before that of docker0, so nothing reaches the "
      "containers of this host: ip route del 10.5.7.0/24 dev tun3\n");
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {bridge, {net("10.5.7.0/24"), "tun3", 4}}}),
            taken);
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {{net("10.5.7.0/24"), "tun3", 5}, bridge}}),
            taken);
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {bridge, {net("10.5.7.0/24"), "tun3", 5}}}),
            "");
  EXPECT_EQ(troubles({.routes = {route("10.5.7.0/24", "tun3")}}),
            said("the route 10.5.7.0/24 dev tun3 leads to our own subnet, but no device with an "
                 "address in it: ip route del 10.5.7.0/24 dev tun3\n"));
  EXPECT_EQ(troubles({.bridges = {"docker0"},
                      .routes = {route("10.5.7.9/32", "veth1"), route("10.0.0.0/8", "eth1")}}),
            "")
      << "a container's own, and one that all of ours go before";
}

TEST_P(HostTroublesTest, ARouteBeforeThatToAPeerIsNamedWithThePeer) {
  EXPECT_EQ(
      troubles({.routes = {route("10.5.8.128/25", "br1")}}),
      said("the route 10.5.8.128/25 dev br1 goes before ours by flannel.1 to the peer 10.5.8.0/24: "
           "ip route del 10.5.8.128/25 dev br1\n"));
  for (const char* const harmless : {"10.5.8.0/24", "10.5.8.0/23", "10.5.3.0/24", "10.5.9.128/25"})
    EXPECT_EQ(troubles({.routes = {route(harmless, "br1")}}), "") << harmless;
}

TEST_P(HostTroublesTest, ARouteToTheSubnetOfAPeerGoesBeforeOursByItsMetric) {
  const std::uint32_t ours = route_metric(family());
  EXPECT_EQ(troubles({.routes = {{net("10.5.8.0/24"), "br1", ours + 1}}}), "");
  EXPECT_EQ(troubles({.routes = {{net("10.5.8.0/24"), "br1", ours}}}), "") << "ours replaced it";
  if (family() == Family::v4) return;  // there is no lower metric than ours
  EXPECT_EQ(troubles({.routes = {{net("10.5.8.0/24"), "br1", ours - 1}}}),
            said("the route 10.5.8.0/24 dev br1 goes before ours by flannel.1 to the peer "
                 "10.5.8.0/24: ip route del 10.5.8.0/24 dev br1\n"));
}

TEST_P(HostTroublesTest, WithOneRouteForAllPeersARouteAsLongAsASubnetTakesPrecedence) {
  OverlayView udp = overlay();
  udp.route_to_network = true;
  for (const char* const taken : {"10.5.8.128/25", "10.5.8.0/24", "10.5.8.0/23"}) {
    const std::string now = troubles({.routes = {route(taken, "br1")}}, udp);
    EXPECT_NE(now.find(text("to the peer 10.5.8.0/24")), std::string::npos) << taken << ": " << now;
  }
  for (const char* const harmless : {"10.5.0.0/16", "10.5.3.0/24", "10.5.9.128/25"})
    EXPECT_EQ(troubles({.routes = {route(harmless, "br1")}}, udp), "") << harmless;
}

TEST_P(HostTroublesTest, ThousandsOfRoutesAreAFewSentences) {
  HostState host;
  for (unsigned i = 0; i < 5000; ++i)
    host.routes.push_back({{ip("10.5.8.0").plus(i % 256), address_bits(family())}, "veth9"});
  const auto all = host_troubles(host, overlay());
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[3].text,
            said("4997 more routes go before ours to peers: ip route show root 10.5.0.0/16"));
}

TEST_P(HostTroublesTest, AChainThatDropsByDefaultIsNamedWithoutClaimingThatItDrops) {
  EXPECT_EQ(troubles({.refusing_forward = {{"inet firewalld", "filter_FORWARD"}}}),
            text("the chain filter_FORWARD of the nftables table inet firewalld refuses every "
                 "forwarded packet that it has not accepted, and no accept of flannel's counts "
                 "there: see that it accepts 10.5.0.0/16 (nft list chain inet firewalld "
                 "filter_FORWARD)\n"));
}

}  // namespace
}  // namespace flannel::host_troubles_test
