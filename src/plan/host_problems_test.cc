// SPDX-License-Identifier: Apache-2.0
#include "plan/host_problems.h"

#include <gtest/gtest.h>

#include <regex>

#include "plan/net_state.h"
#include "support/in_family.h"

namespace flannel::host_problems_test {
namespace {

class HostProblemsTest : public InFamily<testing::Test> {
 protected:
  OverlayView overlay() const {
    return {.network = net("10.5.0.0/16"),
            .own_subnet = net("10.5.7.0/24"),
            .peers = {net("10.5.2.0/24"), net("10.5.8.0/24"), net("10.5.9.0/25")},
            .device = "flannel.1"};
  }
  // One line for each problem, with the prefix "dead: " if no packet of the overlay passes.
  std::string problems(const HostState& host, const OverlayView& view) const {
    std::string lines;
    for (const Problem& problem : host_problems(host, view)) {
      lines += any_critical({problem}) ? "dead: " : "";
      lines += in_words(problem) + "\n";
    }
    return lines;
  }
  std::string problems(const HostState& host) const { return problems(host, overlay()); }
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

INSTANTIATE_TEST_SUITE_P(Both, HostProblemsTest, kBothFamilies, family_name);

TEST_P(HostProblemsTest, AHostThatForwardsAndRoutesItsOwnSubnetToItsBridgeIsWell) {
  EXPECT_EQ(problems({}), "");
  EXPECT_EQ(problems({.bridges = {"docker0"}, .routes = {route("10.5.7.0/24", "docker0")}}), "");
  EXPECT_EQ(problems({.ip_forward = false}), "") << "each device forwards by its own setting";
}

TEST_P(HostProblemsTest, ReportsThatNothingIsForwarded) {
  const HostState host{.ip_forward = false, .not_forwarding = {"flannel.1", "docker0"}};
  EXPECT_EQ(
      problems(host),
      family() == Family::v4
          ? "net.ipv4.ip_forward is 0, so this host passes nothing between its containers and "
            "other hosts; remedy: sysctl -w net.ipv4.ip_forward=1 (Docker does that when it "
            "starts)\n"
          : "net.ipv6.conf.all.forwarding is 0, so this host passes no IPv6 between its "
            "containers and other hosts; remedy: sysctl -w net.ipv6.conf.all.forwarding=1 (if the "
            "default route comes from router advertisements, set accept_ra=2 for its device "
            "before)\n");
}

TEST_P(HostProblemsTest, OnlyIPv4IsForwardedByEachDevicesOwnSetting) {
  if (family() == Family::v6) return;
  EXPECT_EQ(problems({.not_forwarding = {"flannel.1"}}),
            "what comes in by flannel.1 is not passed on, its forwarding is 0; remedy: sysctl -w "
            "net/ipv4/conf/flannel.1/forwarding=1\n");
}

TEST_P(HostProblemsTest, ARouteBeforeThatOfTheBridgeIsNamed) {
  const OtherRoute bridge{net("10.5.7.0/24"), "docker0", 5};
  const std::string taken = said(
      "dead: the route 10.5.7.0/24 dev tun3 goes before that of docker0, so nothing reaches the "
      "containers of this host; remedy: ip route del 10.5.7.0/24 dev tun3\n");
  EXPECT_EQ(problems({.bridges = {"docker0"}, .routes = {bridge, {net("10.5.7.0/24"), "tun3", 4}}}),
            taken);
  EXPECT_EQ(problems({.bridges = {"docker0"}, .routes = {{net("10.5.7.0/24"), "tun3", 5}, bridge}}),
            taken);
  EXPECT_EQ(problems({.bridges = {"docker0"}, .routes = {bridge, {net("10.5.7.0/24"), "tun3", 5}}}),
            "");
  EXPECT_EQ(problems({.routes = {route("10.5.7.0/24", "tun3")}}),
            said("the route 10.5.7.0/24 dev tun3 leads to our own subnet, but no device with an "
                 "address in it; remedy: ip route del 10.5.7.0/24 dev tun3\n"));
  EXPECT_EQ(problems({.bridges = {"docker0"},
                      .routes = {route("10.5.7.9/32", "veth1"), route("10.0.0.0/8", "eth1")}}),
            "")
      << "a container's own, and one that all of ours go before";
}

TEST_P(HostProblemsTest, ARouteToAPartOfOurOwnSubnetIsNamed) {
  const OtherRoute bridge = route("10.5.7.0/24", "docker0");
  EXPECT_EQ(
      problems({.bridges = {"docker0"}, .routes = {bridge, route("10.5.7.128/25", "tun3")}}),
      said("dead: the route 10.5.7.128/25 dev tun3 takes a part of our own subnet, so nothing "
           "reaches the containers there; remedy: ip route del 10.5.7.128/25 dev tun3\n"));
  EXPECT_EQ(
      problems({.bridges = {"docker0", "br1"}, .routes = {bridge, route("10.5.7.128/25", "br1")}}),
      "")
      << "a second bridge has this part";
}

TEST_P(HostProblemsTest, ARouteBeforeThatToAPeerIsNamedWithThePeer) {
  EXPECT_EQ(problems({.routes = {route("10.5.8.128/25", "br1")}}),
            said("the route 10.5.8.128/25 dev br1 goes before ours by flannel.1 to the peer "
                 "10.5.8.0/24; remedy: "
                 "ip route del 10.5.8.128/25 dev br1\n"));
  for (const char* const harmless : {"10.5.8.0/24", "10.5.8.0/23", "10.5.3.0/24", "10.5.9.128/25"})
    EXPECT_EQ(problems({.routes = {route(harmless, "br1")}}), "") << harmless;
}

TEST_P(HostProblemsTest, ARouteToTheSubnetOfAPeerGoesBeforeOursByItsMetric) {
  const std::uint32_t ours = route_metric(family());
  EXPECT_EQ(problems({.routes = {{net("10.5.8.0/24"), "br1", ours + 1}}}), "");
  EXPECT_EQ(problems({.routes = {{net("10.5.8.0/24"), "br1", ours}}}), "") << "ours replaced it";
  if (family() == Family::v4) return;  // there is no lower metric than ours
  EXPECT_EQ(problems({.routes = {{net("10.5.8.0/24"), "br1", ours - 1}}}),
            said("the route 10.5.8.0/24 dev br1 goes before ours by flannel.1 to the peer "
                 "10.5.8.0/24; remedy: ip route del 10.5.8.0/24 dev br1\n"));
}

TEST_P(HostProblemsTest, WithOneRouteForAllPeersARouteAsLongAsASubnetTakesPrecedence) {
  OverlayView udp = overlay();
  udp.route_to_network = true;
  for (const char* const taken : {"10.5.8.128/25", "10.5.8.0/24", "10.5.8.0/23"}) {
    const std::string now = problems({.routes = {route(taken, "br1")}}, udp);
    EXPECT_NE(now.find(text("to the peer 10.5.8.0/24")), std::string::npos) << taken << ": " << now;
  }
  for (const char* const harmless : {"10.5.0.0/16", "10.5.3.0/24", "10.5.9.128/25"})
    EXPECT_EQ(problems({.routes = {route(harmless, "br1")}}, udp), "") << harmless;
}

TEST_P(HostProblemsTest, ThousandsOfRoutesAreAFewSentences) {
  HostState host;
  for (unsigned i = 0; i < 5000; ++i)
    host.routes.push_back({{ip("10.5.8.0").plus(i % 256), address_bits(family())}, "veth9"});
  const auto all = host_problems(host, overlay());
  ASSERT_EQ(all.size(), 11U);
  EXPECT_EQ(all[10].text, "4990 more like these");
}

TEST_P(HostProblemsTest, AChainThatDropsByDefaultIsNamedWithoutClaimingThatItDrops) {
  EXPECT_EQ(problems({.refusing_forward = {{"inet firewalld", "filter_FORWARD"}}}),
            text("the chain filter_FORWARD of the nftables table inet firewalld refuses every "
                 "forwarded packet that it has not accepted, and no accept of flannel's counts "
                 "there; remedy: see that it accepts 10.5.0.0/16 (nft list chain inet firewalld "
                 "filter_FORWARD)\n"));
}

TEST_P(HostProblemsTest, ContainersWithALargerMtuThanTheOverlayAreCounted) {
  OverlayView small = overlay();
  small.mtu = 1350;
  const std::vector<BridgePort> mixed{{"docker0", "veth1", 1350},
                                      {"docker0", "veth2", 1400},
                                      {"docker0", "veth3", 1450},
                                      {"br-7", "veth4", 1351}};
  const auto remedy = [](const std::string& bridge) {
    return "give " + bridge +
           " the smaller MTU, and start its containers anew: docker0 by a restart of Docker, a "
           "network of Docker's by removing it and making it again with -o "
           "com.docker.network.driver.mtu=1350 (that of --docker-network flanneld makes again "
           "itself)\n";
  };
  EXPECT_EQ(
      problems({.ports = mixed}, small),
      "containers at 1 port of br-7 have a larger MTU (1351 by veth4) than the overlay, which "
      "has 1350; packets that are too big are answered with ICMP; remedy: " +
          remedy("br-7") +
          "containers at 2 ports of docker0 have a larger MTU (1450 by veth3) than the overlay, "
          "which has 1350; packets that are too big are answered with ICMP; remedy: " +
          remedy("docker0"));
  small.mtu = 1450;
  EXPECT_EQ(problems({.ports = mixed}, small), "") << "a smaller one than the overlay's is well";
}

TEST_P(HostProblemsTest, AStrictCheckOfSourcesIsNamedOnlyWhileItDropsPacketsOfPeers) {
  OverlayView one_way = overlay();
  one_way.one_way = "eth0";
  one_way.one_way_peers = {net("10.5.8.0/24"), net("10.5.2.0/24")};
  const HostState dropping{
      .one_way_is_strict = true, .refused_sources = 107, .refused_before = 100};
  EXPECT_EQ(
      problems(dropping, one_way),
      text("rp_filter of eth0 is 1 (strict) and has dropped packets since the last check: those of "
           "2 peers, as 10.5.8.0/24, come in by eth0, and ours leave by another device as long as "
           "not all hosts have the backend of the configuration; remedy: sysctl -w "
           "net/ipv4/conf/eth0/rp_filter=2\n"));
  EXPECT_EQ(problems({.one_way_is_strict = true}, one_way), "") << "nothing was dropped";
  EXPECT_EQ(problems({.refused_sources = 7}, one_way), "") << "not by a strict check";
  EXPECT_EQ(problems(dropping, overlay()), "") << "not packets of peers";
}

}  // namespace
}  // namespace flannel::host_problems_test
