// SPDX-License-Identifier: Apache-2.0
// The rules in a real kernel, asked by real packets of both families.
#include <gtest/gtest.h>

#include <optional>

#include "filter/iptables.h"
#include "filter/netfilter_socket.h"
#include "filter/nftables.h"
#include "loop/epoll_loop.h"
#include "rules/docker_rules.h"
#include "rules/iptables_text.h"
#include "rules/nft_text.h"
#include "support/forwarding_host.h"
#include "support/in_family.h"

namespace flannel::rules_in_kernel_test {
namespace {

class FirewallTest : public ForwardingHostTest {
 protected:
  void SetUp() override {
    network = net("10.5.0.0/16");
    subnet = net("10.5.1.0/24");
    ForwardingHostTest::SetUp();
  }

  RuleSet rules(RuleOptions options = {.masquerade = true}) const {
    return plan_rules(network, subnet, options);
  }

  void expect_masquerade() const {
    const auto line = [&](const char* address) { return text(address) + "\n"; };
    EXPECT_EQ(seen_outside("198.51.100.1"), line("192.0.2.1")) << "away from the network";
    EXPECT_EQ(seen_outside("10.5.2.2"), line("10.5.1.2")) << "to a peer's container";
    EXPECT_EQ(seen_outside_from_host("192.0.2.1", "10.5.2.2"), line("192.0.2.1"));
    EXPECT_EQ(seen_outside_from_host("10.5.1.1", "198.51.100.1"), line("192.0.2.1"));
    EXPECT_EQ(seen_outside_from_host("10.5.1.1", "239.1.1.1"), line("10.5.1.1")) << "multicast";
    EXPECT_EQ(seen_inside("198.51.100.1"), line("198.51.100.1")) << "from outside to our container";
    EXPECT_EQ(seen_inside("10.5.2.2"), line("10.5.2.2")) << "from a peer's container to ours";
  }

  // Runs the loop until `reply` has come.
  template <typename T>
  Result<T> answer(const std::function<void(std::function<void(Result<T>)>)>& ask) {
    std::optional<Result<T>> got;
    ask([&](Result<T> result) {
      got = std::move(result);
      loop->stop();
    });
    EXPECT_TRUE(loop->run());
    return *got;
  }
  std::string saved(Iptables& iptables) {
    return answer<std::string>([&](auto reply) { iptables.save(reply); }).value();
  }
  Result<void> restore(Iptables& iptables, const std::string& text) {
    return answer<void>([&](auto reply) { iptables.restore(text, reply); });
  }
  // What is missing, put there; the input it took.
  std::string make_so(Iptables& iptables, const RuleSet& wanted, IptablesMoment moment) {
    const std::string text = saved(iptables);
    const std::string change = nat_change(wanted, parse_iptables(text, "nat"), moment) +
                               filter_change(wanted, parse_iptables(text, "filter"), moment);
    if (change.empty()) return change;
    const auto done = restore(iptables, change);
    EXPECT_TRUE(done) << done.error().text << "\n" << change;
    return change;
  }

  IpPrefix network, subnet;
  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
};

class NftFirewallTest : public FirewallTest, public ::testing::WithParamInterface<Family> {
 protected:
  Family family() const override { return GetParam(); }
  std::string table() const { return nft_table(network); }
};

INSTANTIATE_TEST_SUITE_P(Both, NftFirewallTest, kBothFamilies, family_name);

TEST_P(NftFirewallTest, WithoutRulesEverySourceAddressStays) {
  EXPECT_EQ(seen_outside("198.51.100.1"), text("10.5.1.2\n")) << "the test sees the difference";
}

TEST_P(NftFirewallTest, NftMasqueradesWhatLeavesTheNetworkAndNothingElse) {
  auto nft = Nftables::open().value();
  const auto done = nft->run(render_nft(rules()));
  ASSERT_TRUE(done) << done.error().text;
  expect_masquerade();
}

TEST_P(NftFirewallTest, NftSeesWhetherItsTableIsAsItWas) {
  auto nft = Nftables::open().value();
  EXPECT_EQ(nft->list_table(table()).error().kind, ErrorKind::not_found);
  ASSERT_TRUE(nft->run(render_nft(rules())));
  const std::string fresh = nft->list_table(table()).value();
  ASSERT_TRUE(nft->run(render_nft(rules())));
  EXPECT_EQ(nft->list_table(table()).value(), fresh) << "twice is as once";
  shell("nft flush chain " + table() + " postrouting");
  EXPECT_NE(nft->list_table(table()).value(), fresh);
  ASSERT_TRUE(nft->run(render_nft(rules())));
  EXPECT_EQ(nft->list_table(table()).value(), fresh);
  ASSERT_TRUE(nft->run(render_nft(rules({.forward = false}))));
  EXPECT_EQ(nft->list_table(table()).error().kind, ErrorKind::not_found);
}

TEST_P(NftFirewallTest, TablesAreNamedAsNftNamesThem) {
  auto netfilter = open_netfilter().value();
  EXPECT_TRUE(nft_tables(netfilter).value().empty());
  shell(
      "nft 'add table ip filter; add table ip6 a; add table inet b; add table arp c; "
      "add table bridge d; add table netdev e'");
  EXPECT_EQ(
      nft_tables(netfilter).value(),
      (std::vector<std::string>{"ip filter", "ip6 a", "inet b", "arp c", "bridge d", "netdev e"}));
}

TEST_P(NftFirewallTest, AnNftTransactionIsAllOrNothing) {
  auto nft = Nftables::open().value();
  const auto done = nft->run(
      "add table ip one\nadd rule ip one nowhere accept\nadd rule ip one nowhere accept\n");
  ASSERT_FALSE(done);
  const std::string& text = done.error().text;
  const auto reason = text.find("No such file or directory");
  EXPECT_NE(reason, std::string::npos) << text;
  EXPECT_EQ(text.find("No such file or directory", reason + 1), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(nft->list_table("ip one").error().kind, ErrorKind::not_found);
}

TEST_P(NftFirewallTest, WhatOursTakesThePlaceOfGoesInTheSameTransactionAndOthersStay) {
  auto nft = Nftables::open().value();
  shell("nft 'add table ip flannel; add table ip flannel-ipv4; add table ip6 flannel-ipv6'");
  shell(text("nft 'add table ip flannel-10.4.0.0-15; add table ip flannel-10.9.0.0-16'"));
  shell("nft 'add table ip mine'");
  const auto tables = nft->tables().value();
  ASSERT_TRUE(nft->run(render_nft(rules(), nft_tables_before(tables, network))));
  const std::string of_v4_alone =
      family() == Family::v4 ? "" : "table ip flannel\ntable ip flannel-ipv4\n";
  EXPECT_EQ(shell("nft list tables | grep -v mine | sort"),
            of_v4_alone + text("table ip flannel-10.5.0.0-16\ntable ip flannel-10.9.0.0-16\n"));
  EXPECT_EQ(shell("nft list tables | grep mine"), "table ip mine\n");
}

// By a real iptables over nftables, and by the one from before.
class IptablesFirewallTest
    : public FirewallTest,
      public ::testing::WithParamInterface<std::tuple<IptablesKind, Family>> {
 protected:
  Family family() const override { return std::get<Family>(GetParam()); }
  void SetUp() override {
    FirewallTest::SetUp();
    if (IsSkipped()) return;
    auto found = Iptables::find(std::get<IptablesKind>(GetParam()), family(), *loop);
    if (!found) GTEST_SKIP() << found.error().text << ": NOTHING WAS TESTED";
    iptables = *std::move(found);
  }
  std::string command(const std::string& words) const {
    return shell(iptables->name() + " -w " + text(words));
  }

  std::unique_ptr<Iptables> iptables;
};

const auto kIptables =
    ::testing::Combine(::testing::Values(IptablesKind::nft, IptablesKind::legacy), kBothFamilies);
std::string name_of(const ::testing::TestParamInfo<std::tuple<IptablesKind, Family>>& variant) {
  const auto& [kind, family] = variant.param;
  return (kind == IptablesKind::nft ? "Nft" : "Legacy") + std::string(to_string(family));
}

INSTANTIATE_TEST_SUITE_P(All, IptablesFirewallTest, kIptables, name_of);

TEST_P(IptablesFirewallTest, MasqueradesWhatLeavesTheNetworkAndNothingElse) {
  make_so(*iptables, rules(), IptablesMoment::start);
  expect_masquerade();
}

TEST_P(IptablesFirewallTest, WhatItPrintsIsWhatWasMeant) {
  EXPECT_NE(make_so(*iptables, rules(), IptablesMoment::start), "");
  EXPECT_EQ(make_so(*iptables, rules(), IptablesMoment::start), "");
  EXPECT_EQ(make_so(*iptables, rules(), IptablesMoment::resync), "");
  command("-t nat -D FLANNEL-POSTRTG 2");
  command("-D FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD");
  EXPECT_NE(make_so(*iptables, rules(), IptablesMoment::resync), "");
  EXPECT_EQ(make_so(*iptables, rules(), IptablesMoment::start), "");
}

TEST_P(IptablesFirewallTest, ForwardsWhereThePolicyIsDrop) {
  command("-P FORWARD DROP");
  EXPECT_EQ(seen_outside("10.5.2.2"), "nothing\n");
  make_so(*iptables, rules(), IptablesMoment::start);
  expect_masquerade();
}

TEST_P(IptablesFirewallTest, ATableOfNftDoesNotHelpAgainstThatPolicy) {
  auto nft = Nftables::open().value();
  ASSERT_TRUE(nft->run(render_nft(rules())));
  command("-P FORWARD DROP");
  EXPECT_EQ(seen_outside("10.5.2.2"), "nothing\n") << "why iptables is needed in nft mode too";
  EXPECT_TRUE(forward_may_drop(parse_iptables(saved(*iptables), "filter")));
}

// As Docker 28 has it, with the inside for its bridge.
class DockerFirewallTest : public IptablesFirewallTest {
 protected:
  void SetUp() override {
    IptablesFirewallTest::SetUp();
    if (IsSkipped()) return;
    for (const char* words :
         {"-N DOCKER-USER", "-N DOCKER-FORWARD", "-N DOCKER", "-A FORWARD -j DOCKER-USER",
          "-A FORWARD -j DOCKER-FORWARD", "-A DOCKER-FORWARD -o to-inside -j DOCKER",
          "-A DOCKER-FORWARD -i to-inside -j ACCEPT",
          "-A DOCKER ! -i to-inside -o to-inside -j DROP", "-P FORWARD DROP",
          "-t raw -A PREROUTING -d 10.5.1.2/32 ! -i to-inside -j DROP",
          "-t nat -A POSTROUTING -s 10.5.1.0/24 ! -o to-inside -j MASQUERADE"}) {
      command(words);
    }
  }
  // The input it took.
  std::string let_the_overlay_in() {
    const std::string change = docker_change(wish(), parse_iptables_tables(saved(*iptables)));
    if (!change.empty()) {
      const auto done = restore(*iptables, change);
      EXPECT_TRUE(done) << done.error().text << "\n" << change;
    }
    return change;
  }

  // As with host-gw: the peer speaks unwrapped.
  DockerWish wish() const {
    return {
        network,
        subnet,
        {.underlay = "to-outside", .neighbours = {IpAddress::parse(text("192.0.2.9")).value()}}};
  }
};

INSTANTIATE_TEST_SUITE_P(All, DockerFirewallTest, kIptables, name_of);

TEST_P(DockerFirewallTest, WithoutOurRulesDockerDropsInboundAndMasqueradesOutbound) {
  EXPECT_EQ(seen_inside("10.5.2.2"), "nothing\n");
  EXPECT_EQ(seen_outside("10.5.2.2"), text("192.0.2.1\n"));
}

TEST_P(DockerFirewallTest, LetsInOnlyTheOverlay) {
  EXPECT_NE(let_the_overlay_in(), "");
  EXPECT_EQ(let_the_overlay_in(), "") << "what it prints is what was meant";
  EXPECT_EQ(seen_inside("10.5.2.2"), text("10.5.2.2\n")) << "a peer's container";
  EXPECT_EQ(seen_inside("192.0.2.9"), text("192.0.2.9\n")) << "the peer itself";
  EXPECT_EQ(seen_inside("198.51.100.1"), "nothing\n") << "not a peer";
  EXPECT_EQ(seen_outside("10.5.2.2"), text("10.5.1.2\n")) << "seen by its own address";
  EXPECT_EQ(seen_outside("198.51.100.1"), text("192.0.2.1\n")) << "away from the network";
}

TEST_P(DockerFirewallTest, WhatTheOperatorForbidsStaysForbidden) {
  command("-I DOCKER-USER -s 10.5.2.2 -j DROP");
  let_the_overlay_in();
  EXPECT_EQ(seen_inside("10.5.2.2"), "nothing\n");
  EXPECT_EQ(seen_inside("192.0.2.9"), text("192.0.2.9\n"));
}

TEST_P(DockerFirewallTest, DockerTakesItsOwnRulesAwayAsEver) {
  let_the_overlay_in();
  command("-t raw -D PREROUTING -d 10.5.1.2/32 ! -i to-inside -j DROP");
  command("-t nat -D POSTROUTING -s 10.5.1.0/24 ! -o to-inside -j MASQUERADE");
  command("-F DOCKER-USER");
  EXPECT_NE(let_the_overlay_in(), "");
  EXPECT_EQ(let_the_overlay_in(), "");
}

TEST_P(DockerFirewallTest, NothingIsLeftAfterARemoval) {
  make_so(*iptables, rules(), IptablesMoment::start);
  let_the_overlay_in();
  ASSERT_TRUE(restore(*iptables, removal_of_all(saved(*iptables))));
  const std::string left = saved(*iptables);
  EXPECT_EQ(left.find("FLANNEL"), std::string::npos) << left;
  EXPECT_EQ(left.find("flanneld"), std::string::npos) << left;
  EXPECT_NE(left.find("-A DOCKER ! -i to-inside"), std::string::npos) << "Docker's own stay";
}

TEST_P(IptablesFirewallTest, InvalidInputIsAnErrorWithTheProgramsText) {
  const auto done = restore(*iptables, "*nat\n-A NOWHERE -j ACCEPT\nCOMMIT\n");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text.find("exit status"), std::string::npos) << done.error().text;
}

}  // namespace
}  // namespace flannel::rules_in_kernel_test
