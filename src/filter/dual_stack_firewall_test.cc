// SPDX-License-Identifier: Apache-2.0
// A network that gets and loses families from run to run, over a real packet filter.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "filter/firewall.h"
#include "filter/host_packet_filter.h"
#include "loop/epoll_loop.h"
#include "support/fresh_netns.h"
#include "support/in_family.h"
#include "support/problems_of.h"

namespace flannel::dual_stack_firewall_test {
namespace {

class DualStackFirewallTest : public NetnsTest {
 protected:
  // A run in which the network has these families, after one with the networks `earlier`.
  void start(FirewallMode mode, bool v4, bool v6, const std::vector<IpPrefix>& earlier) {
    firewall.emplace(
        FirewallOptions{.mode = mode, .rules = {.masquerade = true}},
        Firewall::Parts{
            .filter = [this](Family of) { return std::make_unique<HostPacketFilter>(*loop, of); },
            .changes = [this](Family of) { return std::make_unique<HostRuleChanges>(*loop, of); },
            .loop = *loop,
            .iptables = queue,
            .on_state = [this] { loop->stop(); }});
    NetworkConfig config;
    if (v4) config.v4.emplace().network = network;
    if (v6) config.v6.emplace().network = as_v6(network);
    firewall->want(config, {.v4 = subnet, .v6 = as_v6(subnet)}, earlier);
    // Each family reports the end of its pass.
    while (!firewall->in_place() || rules(Family::v4).empty() == v4 ||
           rules(Family::v6).empty() == v6) {
      EXPECT_TRUE(loop->run());
    }
    EXPECT_EQ(problems_of(*firewall), "");
  }
  // Our rules for that family, in both kinds of packet filter.
  static std::string rules(Family family) {
    const std::string tables = shell("nft list tables | grep flannel || true");
    std::string text;
    if (tables.find(in_family(family, " ip flannel-")) != std::string::npos)
      text = shell("nft list table " + in_family(family, "ip flannel-10.5.0.0-16"));
    return text +
           shell(in_family(family, "iptables-nft-save | grep -e FLANNEL -e flanneld || true"));
  }

  const IpPrefix network = IpPrefix::parse_v4("10.5.0.0/16").value();
  const IpPrefix subnet = IpPrefix::parse_v4("10.5.1.0/24").value();
  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
  IptablesQueue queue;
  std::optional<Firewall> firewall;
};

TEST_F(DualStackFirewallTest, AFamilyComesAndGoesAndTheOtherStays) {
  const std::vector<IpPrefix> both{network, as_v6(network)};
  for (const auto mode : {FirewallMode::nftables, FirewallMode::iptables}) {
    start(mode, true, true, {});
    const std::string v4 = rules(Family::v4);
    const std::string v6 = rules(Family::v6);
    start(mode, true, false, both);
    EXPECT_EQ(rules(Family::v4), v4);
    start(mode, true, true, {network});
    EXPECT_EQ(rules(Family::v6), v6);
    start(mode, false, true, both);
    EXPECT_EQ(rules(Family::v6), v6);
    start(mode, true, false, {as_v6(network)});
    EXPECT_EQ(rules(Family::v4), v4);
  }
}

TEST_F(DualStackFirewallTest, TheRulesOfALostFamilyGoFromTheKindThatHadThem) {
  const std::vector<IpPrefix> both{network, as_v6(network)};
  start(FirewallMode::iptables, true, true, {});
  start(FirewallMode::nftables, true, false, both);
  start(FirewallMode::nftables, true, true, {});
  start(FirewallMode::iptables, true, false, both);
}

TEST_F(DualStackFirewallTest, UpstreamsTablesGoWithBothFamiliesAndWithIpv4Alone) {
  for (const bool v6 : {true, false}) {
    shell("nft 'add table ip flannel-ipv4; add table ip6 flannel-ipv6'");
    start(FirewallMode::nftables, true, v6, {});
    EXPECT_EQ(shell("nft list tables | grep flannel-ipv || true"), "");
    start(FirewallMode::nftables, true, false, {as_v6(network)});
  }
}

}  // namespace
}  // namespace flannel::dual_stack_firewall_test
