// SPDX-License-Identifier: Apache-2.0
#include "filter/forward_chains.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include "filter/netfilter_socket.h"
#include "support/fresh_netns.h"
#include "support/in_family.h"

namespace flannel::forward_chains_test {
namespace {

// 10.5.7.0/24 is ours, of 10.5.0.0/16, and its device is eth0.
class ForwardChainsTest : public InFamily<NetnsTest> {
 protected:
  std::string refusing() const {
    const HostQuery query{
        .network = net("10.5.0.0/16"), .own_subnet = net("10.5.7.0/24"), .devices = {"eth0"}};
    std::string text;
    for (const ForwardChain& chain : refusing_forward_chains(query))
      text += chain.table + " " + chain.chain + "\n";
    return text;
  }
};

INSTANTIATE_TEST_SUITE_P(Both, ForwardChainsTest, kBothFamilies, family_name);

TEST_P(ForwardChainsTest, SeesChainsThatRefuseWhatTheyHaveNotAccepted) {
  shell("nft add table inet firewalld");
  shell("nft 'add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }'");
  EXPECT_EQ(refusing(), "") << "it refuses nothing yet";
  shell("nft add rule inet firewalld filter_FORWARD iifname lan0 reject");
  EXPECT_EQ(refusing(), "") << "of some it does, but not of what is left";
  shell(
      "nft add rule inet firewalld filter_FORWARD counter log reject with icmpx admin-prohibited");
  EXPECT_EQ(refusing(), "inet firewalld filter_FORWARD\n");
  shell("nft add rule inet firewalld filter_FORWARD accept");
  EXPECT_EQ(refusing(), "") << "it is not the last any more";
  shell("nft add rule inet firewalld filter_FORWARD drop");
  EXPECT_EQ(refusing(), "inet firewalld filter_FORWARD\n");

  shell("nft 'add chain inet firewalld trusted'");
  shell(text("nft insert rule inet firewalld filter_FORWARD ip saddr 10.5.0.0/16 jump trusted"));
  EXPECT_EQ(refusing(), "") << "its rules name flannel's network";
  shell(text(
      "nft flush chain inet firewalld filter_FORWARD; nft add rule inet firewalld filter_FORWARD "
      "ip saddr 10.6.0.0/16 jump trusted; nft add rule inet firewalld filter_FORWARD drop"));
  EXPECT_EQ(refusing(), "inet firewalld filter_FORWARD\n") << "of another network";
}

TEST_P(ForwardChainsTest, SeesPoliciesAndLeavesOutWhereFlannelHasAcceptsOfItsOwn) {
  for (const char* const table :
       {"ip mine", "ip filter", "ip6 mine", "ip6 filter", "inet flannel-ipv4"}) {
    shell(std::string("nft add table ") + table + "; nft 'add chain " + table +
          " FORWARD { type filter hook forward priority 0; policy drop; }'");
  }
  const std::string mine = family() == Family::v4 ? "ip mine" : "ip6 mine";
  shell("nft 'add chain " + mine + " INPUT { type filter hook input priority 0; policy drop; }'");
  EXPECT_EQ(refusing(), mine + " FORWARD\n");
  shell("nft add rule " + mine + " FORWARD iifname eth0 accept");
  EXPECT_EQ(refusing(), "");
}

// Another part of the kernel does not know such a request either, and answers in the same way.
TEST_P(ForwardChainsTest, AKernelWithoutNftablesIsNamed) {
  auto other = NetlinkSocket::open({.protocol = NETLINK_SOCK_DIAG});
  ASSERT_TRUE(other) << other.error().text;
  EXPECT_EQ(nft_tables(*other).error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace flannel::forward_chains_test
