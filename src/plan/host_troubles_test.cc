// SPDX-License-Identifier: Apache-2.0
#include "plan/host_troubles.h"

#include <gtest/gtest.h>

namespace flannel::host_troubles_test {
namespace {

IpPrefix net(const char* text) {
  return IpPrefix::parse_v4(text).value();
}

OverlayView overlay() {
  return {.network = net("10.5.0.0/16"),
          .own_subnet = net("10.5.7.0/24"),
          .peers = {net("10.5.2.0/24"), net("10.5.8.0/24"), net("10.5.9.0/25")},
          .device = "flannel.1"};
}

// One line for each trouble, with the prefix "dead: " if no packet of the overlay passes.
std::string troubles(const HostState& host, const OverlayView& view = overlay()) {
  std::string text;
  for (const HostTrouble& trouble : host_troubles(host, view))
    text += (trouble.nothing_passes ? "dead: " : "") + trouble.text + "\n";
  return text;
}

TEST(HostTroublesTest, AHostThatForwardsAndRoutesItsOwnSubnetToItsBridgeIsWell) {
  EXPECT_EQ(troubles({}), "");
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {{net("10.5.7.0/24"), "docker0"}}}), "");
  EXPECT_EQ(troubles({.ip_forward = false}), "") << "each device forwards by its own setting";
}

TEST(HostTroublesTest, ReportsThatNothingIsForwarded) {
  EXPECT_EQ(
      troubles({.ip_forward = false, .not_forwarding = {"flannel.1", "docker0"}}),
      "net.ipv4.ip_forward is 0, so this host passes nothing between its containers and other "
      "hosts: sysctl -w net.ipv4.ip_forward=1 (Docker does that when it starts)\n");
  EXPECT_EQ(troubles({.not_forwarding = {"flannel.1"}}),
            "what comes in by flannel.1 is not passed on, its forwarding is 0: sysctl -w "
            "net/ipv4/conf/flannel.1/forwarding=1\n");
}

TEST(HostTroublesTest, ARouteBeforeThatOfTheBridgeIsNamed) {
  const OtherRoute bridge{net("10.5.7.0/24"), "docker0", 5};
  constexpr const char* kTaken =
      "dead: the route 10.5.7.0/24 dev tun3 goes before that of docker0, so nothing reaches the "
      "containers of this host: ip route del 10.5.7.0/24 dev tun3\n";
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {bridge, {net("10.5.7.0/24"), "tun3", 4}}}),
            kTaken);
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {{net("10.5.7.0/24"), "tun3", 5}, bridge}}),
            kTaken);
  EXPECT_EQ(troubles({.bridges = {"docker0"}, .routes = {bridge, {net("10.5.7.0/24"), "tun3", 5}}}),
            "");
  EXPECT_EQ(troubles({.routes = {{net("10.5.7.0/24"), "tun3"}}}),
            "the route 10.5.7.0/24 dev tun3 leads to our own subnet, but no device with an address "
            "in it: ip route del 10.5.7.0/24 dev tun3\n");
  EXPECT_EQ(troubles({.bridges = {"docker0"},
                      .routes = {{net("10.5.7.9/32"), "veth1"}, {net("10.0.0.0/8"), "eth1"}}}),
            "")
      << "a container's own, and one that all of ours go before";
}

TEST(HostTroublesTest, ARouteBeforeThatToAPeerIsNamedWithThePeer) {
  EXPECT_EQ(
      troubles({.routes = {{net("10.5.8.128/25"), "br1"}}}),
      "the route 10.5.8.128/25 dev br1 goes before ours by flannel.1 to the peer 10.5.8.0/24: "
      "ip route del 10.5.8.128/25 dev br1\n");
  for (const char* const harmless : {"10.5.8.0/24", "10.5.8.0/23", "10.5.3.0/24", "10.5.9.128/25"})
    EXPECT_EQ(troubles({.routes = {{net(harmless), "br1"}}}), "") << harmless;
}

TEST(HostTroublesTest, WithOneRouteForAllPeersARouteAsLongAsASubnetTakesPrecedence) {
  OverlayView udp = overlay();
  udp.route_to_network = true;
  for (const char* const taken : {"10.5.8.128/25", "10.5.8.0/24", "10.5.8.0/23"}) {
    const std::string text = troubles({.routes = {{net(taken), "br1"}}}, udp);
    EXPECT_NE(text.find("to the peer 10.5.8.0/24"), std::string::npos) << taken << ": " << text;
  }
  for (const char* const harmless : {"10.5.0.0/16", "10.5.3.0/24", "10.5.9.128/25"})
    EXPECT_EQ(troubles({.routes = {{net(harmless), "br1"}}}, udp), "") << harmless;
}

TEST(HostTroublesTest, ThousandsOfRoutesAreAFewSentences) {
  HostState host;
  for (unsigned i = 0; i < 5000; ++i)
    host.routes.push_back({{IpAddress::v4(10, 5, 8, 0).plus(i % 256), 32}, "veth9"});
  const auto all = host_troubles(host, overlay());
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[3].text,
            "4997 more routes go before ours to peers: ip route show root 10.5.0.0/16");
}

TEST(HostTroublesTest, AChainThatDropsByDefaultIsNamedWithoutClaimingThatItDrops) {
  EXPECT_EQ(troubles({.refusing_forward = {{"inet firewalld", "filter_FORWARD"}}}),
            "the chain filter_FORWARD of the nftables table inet firewalld refuses every forwarded "
            "packet that it has not accepted, and no accept of flannel's counts there: see that it "
            "accepts 10.5.0.0/16 (nft list chain inet firewalld filter_FORWARD)\n");
}

}  // namespace
}  // namespace flannel::host_troubles_test
