// SPDX-License-Identifier: Apache-2.0
// The rules in a real kernel, asked by real packets.
//
// Topology, each a namespace:
//
//   inside 10.5.1.2 ── 10.5.1.1 HOST 192.0.2.1 ── 192.0.2.9 outside (and 10.5.2.2, a peer's
//                                                 container, and the multicast group 239.1.1.1)
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "filter/iptables.h"
#include "filter/netfilter_socket.h"
#include "filter/nftables.h"
#include "loop/epoll_loop.h"
#include "rules/docker_rules.h"
#include "rules/iptables_text.h"
#include "rules/nft_text.h"
#include "support/child_process.h"
#include "support/fresh_netns.h"
#include "support/temporary_folder.h"

namespace flannel::rules_in_kernel_test {
namespace {

const IpPrefix kNetwork = IpPrefix::parse_v4("10.5.0.0/16").value();
const IpPrefix kSubnet = IpPrefix::parse_v4("10.5.1.0/24").value();
const std::string kTable = nft_table(kNetwork);

// A namespace that a process holds; addressed by its pid.
class Neighbour {
 public:
  explicit Neighbour(const std::string& setup) {
    pid_ = shell("unshare -n sleep 600 >/dev/null 2>&1 & echo $!");
    pid_.pop_back();
    // It is in the new namespace as soon as it is `sleep`.
    shell("until [ \"$(cat /proc/" + pid_ + "/comm)\" = sleep ]; do :; done");
    shell(setup + " " + pid_);
  }
  ~Neighbour() { shell("kill " + pid_); }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;

  std::string in(const std::string& command) const {
    return shell("nsenter -n -t " + pid_ + " sh -ec '" + command + "'");
  }
  const std::string& pid() const { return pid_; }

 private:
  std::string pid_;
};

class FirewallTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!netns.entered()) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no network namespace (" << netns.why_not()
                   << "); run as root";
    }
    inside.emplace("ip link add to-inside type veth peer name eth0 netns");
    outside.emplace("ip link add to-outside type veth peer name eth0 netns");
    shell(
        "ip link set lo up; ip address add 10.5.1.1/24 dev to-inside; "
        "ip address add 192.0.2.1/24 dev to-outside; ip link set to-inside up; "
        "ip link set to-outside up; ip route add 10.5.2.0/24 via 192.0.2.9; "
        "ip route add 239.1.1.1 dev to-outside; sysctl -qw net.ipv4.ip_forward=1");
    inside->in(
        "ip link set eth0 up; ip address add 10.5.1.2/24 dev eth0; "
        "ip route add default via 10.5.1.1");
    outside->in(
        "ip link set lo up; ip link set eth0 up; ip address add 192.0.2.9/24 dev eth0; "
        "ip address add 10.5.2.2/32 dev lo; ip address add 198.51.100.1/32 dev lo; "
        "ip route add 10.5.1.0/24 via 192.0.2.1");
    shell("ip route add 198.51.100.0/24 via 192.0.2.9");
  }

  RuleSet rules(RuleOptions options = {.masquerade = true}) const {
    return plan_rules(kNetwork, kSubnet, options);
  }

  // The source that `receiver` sees of the datagram that `send` sends to `to`; "nothing" if none
  // comes.
  std::string seen(const Neighbour& receiver, const std::string& send,
                   const std::string& to) const {
    std::ofstream(folder.path() + "/listen.py") << R"(
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 9000))
if sys.argv[1].startswith("239."):
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                 socket.inet_aton(sys.argv[1]) + socket.inet_aton("192.0.2.9"))
print("ready", flush=True)
s.settimeout(1.5)
try:
    print(s.recvfrom(100)[1][0])
except TimeoutError:
    print("nothing")
)";
    const std::string pipe = folder.path() + "/pipe";
    return shell("mkfifo " + pipe + "; nsenter -n -t " + receiver.pid() + " /usr/bin/python3 " +
                 folder.path() + "/listen.py " + to + " >" + pipe + " & exec 3<" + pipe + "; rm " +
                 pipe + "; read ready <&3; " + send + "; read address <&3; echo $address; wait");
  }

  // A datagram from the container of this host.
  std::string seen_outside(const std::string& to) const {
    return seen(*outside, "nsenter -n -t " + inside->pid() + " " + datagram("", to), to);
  }
  // One from this host, from an address of its own.
  std::string seen_outside_from_host(const std::string& from, const std::string& to) const {
    return seen(*outside, datagram(from, to), to);
  }
  std::string seen_inside(const std::string& from) const {
    return seen(*inside, "nsenter -n -t " + outside->pid() + " " + datagram(from, "10.5.1.2"),
                "10.5.1.2");
  }

  std::string datagram(const std::string& from, const std::string& to) const {
    std::ofstream(folder.path() + "/send.py") << R"(
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 0))
if sys.argv[2].startswith("239."):  # else it leaves by the device that has the source's address
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                 struct.pack("=4s4si", bytes(4), bytes(4), socket.if_nametoindex("to-outside")))
s.sendto(b"x", (sys.argv[2], 9000))
)";
    return "/usr/bin/python3 " + folder.path() + "/send.py \"" + from + "\" " + to;
  }

  void expect_masquerade() const {
    EXPECT_EQ(seen_outside("198.51.100.1"), "192.0.2.1\n") << "away from the network";
    EXPECT_EQ(seen_outside("10.5.2.2"), "10.5.1.2\n") << "to a peer's container";
    EXPECT_EQ(seen_outside_from_host("192.0.2.1", "10.5.2.2"), "192.0.2.1\n");
    EXPECT_EQ(seen_outside_from_host("10.5.1.1", "198.51.100.1"), "192.0.2.1\n");
    EXPECT_EQ(seen_outside_from_host("10.5.1.1", "239.1.1.1"), "10.5.1.1\n") << "multicast";
    EXPECT_EQ(seen_inside("198.51.100.1"), "198.51.100.1\n") << "from outside to our container";
    EXPECT_EQ(seen_inside("10.5.2.2"), "10.5.2.2\n") << "from a peer's container to ours";
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

  TemporaryFolder folder;
  FreshNetns netns;
  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
  std::optional<Neighbour> inside, outside;
};

TEST_F(FirewallTest, WithoutRulesEverySourceAddressStays) {
  EXPECT_EQ(seen_outside("198.51.100.1"), "10.5.1.2\n") << "the test sees the difference";
}

TEST_F(FirewallTest, NftMasqueradesWhatLeavesTheNetworkAndNothingElse) {
  auto nft = Nftables::open().value();
  const auto done = nft->run(render_nft(rules()));
  ASSERT_TRUE(done) << done.error().text;
  expect_masquerade();
}

TEST_F(FirewallTest, NftSeesWhetherItsTableIsAsItWas) {
  auto nft = Nftables::open().value();
  EXPECT_EQ(nft->list_table(kTable).error().kind, ErrorKind::not_found);
  ASSERT_TRUE(nft->run(render_nft(rules())));
  const std::string fresh = nft->list_table(kTable).value();
  ASSERT_TRUE(nft->run(render_nft(rules())));
  EXPECT_EQ(nft->list_table(kTable).value(), fresh) << "twice is as once";
  shell("nft flush chain ip flannel-10.5.0.0-16 postrouting");
  EXPECT_NE(nft->list_table(kTable).value(), fresh);
  ASSERT_TRUE(nft->run(render_nft(rules())));
  EXPECT_EQ(nft->list_table(kTable).value(), fresh);
  ASSERT_TRUE(nft->run(render_nft(rules({.forward = false}))));
  EXPECT_EQ(nft->list_table(kTable).error().kind, ErrorKind::not_found);
}

TEST_F(FirewallTest, TablesAreNamedAsNftNamesThem) {
  auto netfilter = open_netfilter().value();
  EXPECT_TRUE(nft_tables(netfilter).value().empty());
  shell(
      "nft 'add table ip filter; add table ip6 a; add table inet b; add table arp c; "
      "add table bridge d; add table netdev e'");
  EXPECT_EQ(
      nft_tables(netfilter).value(),
      (std::vector<std::string>{"ip filter", "ip6 a", "inet b", "arp c", "bridge d", "netdev e"}));
}

TEST_F(FirewallTest, AnNftTransactionIsAllOrNothing) {
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

TEST_F(FirewallTest, WhatOursTakesThePlaceOfGoesInTheSameTransactionAndOthersStay) {
  auto nft = Nftables::open().value();
  shell(
      "nft 'add table ip flannel; add table ip flannel-ipv4; add table ip6 flannel-ipv6; "
      "add table ip flannel-10.4.0.0-15; add table ip flannel-10.9.0.0-16; add table ip mine'");
  const auto tables = nft->tables().value();
  ASSERT_TRUE(nft->run(render_nft(rules(), nft_tables_before(tables, kNetwork))));
  EXPECT_EQ(shell("nft list tables | sort"),
            "table ip flannel-10.5.0.0-16\ntable ip flannel-10.9.0.0-16\ntable ip mine\n");
}

// By a real iptables over nftables, and by the one from before.
class IptablesFirewallTest : public FirewallTest,
                             public ::testing::WithParamInterface<IptablesKind> {
 protected:
  void SetUp() override {
    FirewallTest::SetUp();
    if (IsSkipped()) return;
    auto found = Iptables::find(GetParam(), *loop);
    if (!found) GTEST_SKIP() << found.error().text << ": NOTHING WAS TESTED";
    iptables = *std::move(found);
  }
  std::string command(const std::string& words) const {
    return shell(iptables->name() + " -w " + words);
  }

  std::unique_ptr<Iptables> iptables;
};

INSTANTIATE_TEST_SUITE_P(Both, IptablesFirewallTest,
                         ::testing::Values(IptablesKind::nft, IptablesKind::legacy),
                         [](const auto& kind) {
                           return kind.param == IptablesKind::nft ? "Nft" : "Legacy";
                         });

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
    const std::string change = docker_change(wish, parse_iptables_tables(saved(*iptables)));
    if (!change.empty()) {
      const auto done = restore(*iptables, change);
      EXPECT_TRUE(done) << done.error().text << "\n" << change;
    }
    return change;
  }

  // As with host-gw: the peer speaks unwrapped.
  DockerWish wish{
      kNetwork,
      kSubnet,
      {.underlay = "to-outside", .neighbours = {IpAddress::parse_v4("192.0.2.9").value()}}};
};

INSTANTIATE_TEST_SUITE_P(Both, DockerFirewallTest,
                         ::testing::Values(IptablesKind::nft, IptablesKind::legacy),
                         [](const auto& kind) {
                           return kind.param == IptablesKind::nft ? "Nft" : "Legacy";
                         });

TEST_P(DockerFirewallTest, WithoutOurRulesDockerDropsInboundAndMasqueradesOutbound) {
  EXPECT_EQ(seen_inside("10.5.2.2"), "nothing\n");
  EXPECT_EQ(seen_outside("10.5.2.2"), "192.0.2.1\n");
}

TEST_P(DockerFirewallTest, LetsInOnlyTheOverlay) {
  EXPECT_NE(let_the_overlay_in(), "");
  EXPECT_EQ(let_the_overlay_in(), "") << "what it prints is what was meant";
  EXPECT_EQ(seen_inside("10.5.2.2"), "10.5.2.2\n") << "a peer's container";
  EXPECT_EQ(seen_inside("192.0.2.9"), "192.0.2.9\n") << "the peer itself";
  EXPECT_EQ(seen_inside("198.51.100.1"), "nothing\n") << "not a peer";
  EXPECT_EQ(seen_outside("10.5.2.2"), "10.5.1.2\n") << "seen by its own address";
  EXPECT_EQ(seen_outside("198.51.100.1"), "192.0.2.1\n") << "away from the network";
}

TEST_P(DockerFirewallTest, WhatTheOperatorForbidsStaysForbidden) {
  command("-I DOCKER-USER -s 10.5.2.2 -j DROP");
  let_the_overlay_in();
  EXPECT_EQ(seen_inside("10.5.2.2"), "nothing\n");
  EXPECT_EQ(seen_inside("192.0.2.9"), "192.0.2.9\n");
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
