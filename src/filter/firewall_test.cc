// SPDX-License-Identifier: Apache-2.0
// The keeper of rules over a real packet filter, in a namespace of its own, for each family. What
// is written here for IPv4 is translated to IPv6 by in_family.h.
#include "filter/firewall.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "filter/host_packet_filter.h"
#include "filter/nftables.h"
#include "kernel/host/host_locks.h"
#include "loop/epoll_loop.h"
#include "support/fresh_netns.h"
#include "support/in_family.h"
#include "support/problems_of.h"

namespace flannel::firewall_test {
namespace {

using std::chrono::milliseconds;

class FirewallKeeperTest : public InFamily<NetnsTest> {
 protected:
  void start(FirewallOptions options, const char* subnet = "10.5.1.0/24") {
    make(options);
    EXPECT_FALSE(firewall->in_place()) << "nothing has been done yet";
    want(subnet);
  }
  void want(const char* subnet) {
    want_of(*firewall, config, "10.5.0.0/16", subnet);
    next_look();
    EXPECT_TRUE(firewall->in_place()) << problems_of(*firewall);
    EXPECT_EQ(problems_of(*firewall, Severity::warning), "");
  }
  void want_of(Firewall& of, NetworkConfig& given, const char* network, const char* subnet) const {
    auto& range = family() == Family::v4 ? given.v4 : given.v6;
    range.emplace().network = net(network);
    const SubnetKey own = family() == Family::v4 ? SubnetKey{.v4 = net(subnet), .v6 = {}}
                                                 : SubnetKey{.v4 = {}, .v6 = net(subnet)};
    of.want(given, own, {});
  }
  void next_look() { EXPECT_TRUE(loop->run()); }
  void make(FirewallOptions options) {
    options.resync = milliseconds(100);
    firewall.emplace(options, parts());
  }
  Firewall::Parts parts() {
    return {.filter = [this](Family of) { return std::make_unique<HostPacketFilter>(*loop, of); },
            .changes = [this](Family of) { return std::make_unique<HostRuleChanges>(*loop, of); },
            .loop = *loop,
            .iptables = queue,
            .on_state = [this] { loop->stop(); }};
  }

  // How often `text` is in what the command prints.
  int count(const std::string& command, const std::string& what) const {
    const std::string all = sh(command);
    const std::string wanted = text(what);
    int found = 0;
    for (auto at = all.find(wanted); at != std::string::npos; at = all.find(wanted, at + 1))
      ++found;
    return found;
  }
  int nft(const std::string& what) const { return count("nft list ruleset", what); }
  int iptables(const std::string& what) const { return count("iptables-nft-save", what); }
  std::string sh(const std::string& command) const { return shell(text(command)); }

  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
  NetworkConfig config;
  IptablesQueue queue;
  std::optional<Firewall> firewall;
};

constexpr RuleOptions kAll{.masquerade = true};

INSTANTIATE_TEST_SUITE_P(Both, FirewallKeeperTest, kBothFamilies, family_name);

int faults_of_children() {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  return static_cast<int>(used.ru_minflt);
}

TEST_P(FirewallKeeperTest, NftablesIsTheDefaultAndNeedsNoProgram) {
  const int before = faults_of_children();
  start({.rules = kAll});
  EXPECT_EQ(faults_of_children(), before) << "any child has some";
  EXPECT_EQ(nft("table ip flannel-10.5.0.0-16 "), 1);
  EXPECT_EQ(nft("masquerade fully-random"), 2);
  EXPECT_EQ(sh("iptables-nft-save; iptables-legacy-save"), "");
}

TEST_P(FirewallKeeperTest, TheFlagOfTheHostOverrulesTheConfiguration) {
  config.enable_nftables = true;
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(iptables("-A FLANNEL-POSTRTG"), 6);
  EXPECT_EQ(iptables("-A FLANNEL-FWD"), 2);
  EXPECT_EQ(nft("table ip flannel"), 0);
}

TEST_P(FirewallKeeperTest, WhatTheOtherPacketFilterHadGoes) {
  start({.mode = FirewallMode::iptables, .rules = kAll});
  start({.rules = kAll});
  EXPECT_EQ(iptables("FLANNEL"), 0);
  EXPECT_EQ(nft("masquerade fully-random"), 2);
  shell(family() == Family::v4 ? "nft 'add table ip flannel-ipv4; add table ip flannel'"
                               : "nft 'add table ip6 flannel-ipv6'");
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(nft("table ip flannel"), 0) << "of upstream too";
  EXPECT_EQ(iptables("-A FLANNEL-POSTRTG"), 6);
}

TEST_P(FirewallKeeperTest, TheTableOfADaemonThatRunsIsLeftAlone) {
  char folder[] = "/tmp/flannel-firewall-XXXXXX";
  HostLocks locks(::mkdtemp(folder));
  auto other = locks.acquire(text("10.4.0.0/15"));
  ASSERT_TRUE(other) << other.error().text;
  sh("nft 'add table ip flannel-10.4.0.0-15; add table ip flannel-10.0.0.0-8'");
  start({.rules = kAll});
  EXPECT_EQ(nft("table ip flannel-10.4.0.0-15 "), 1);
  EXPECT_EQ(nft("table ip flannel-10.0.0.0-8 "), 0) << "no daemon uses it";
  other->clear();
  start({.rules = kAll});
  EXPECT_EQ(nft("table ip flannel-10.4.0.0-15 "), 0) << "its daemon has ended";
  std::filesystem::remove_all(folder);
}

// As the node's flannel was, whose "iptables" was another one than the system has now.
TEST_P(FirewallKeeperTest, WhatAnyIptablesHadGoes) {
  for (const char* program : {"iptables-nft-restore", "iptables-legacy-restore"}) {
    sh(std::string(program) + R"( <<END
*nat
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A POSTROUTING -s 10.5.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
COMMIT
*filter
-A FORWARD -s 10.5.0.0/16 -j ACCEPT
COMMIT
END
)");
  }
  for (const auto mode : {FirewallMode::automatic, FirewallMode::iptables}) {
    start({.mode = mode, .rules = kAll});
    EXPECT_EQ(count("iptables-legacy-save", "FLANNEL"), 0);
    EXPECT_EQ(iptables("-A POSTROUTING -s 10.5.0.0/16"), 0) << "v0.10 had no chains";
    EXPECT_EQ(iptables("-A FORWARD -s 10.5.0.0/16"), 0);
    EXPECT_EQ(iptables("FLANNEL") > 0, mode == FirewallMode::iptables);
  }
}

TEST_P(FirewallKeeperTest, AnotherNetworkOnTheHostKeepsItsRules) {
  for (const auto mode : {FirewallMode::nftables, FirewallMode::iptables}) {
    start({.mode = mode, .rules = kAll});
    Firewall other({.mode = mode, .rules = kAll}, parts());
    NetworkConfig others;
    want_of(other, others, "10.9.0.0/16", "10.9.1.0/24");
    while (!other.in_place())
      next_look();
    EXPECT_EQ(iptables("10.5.1.0/24") + nft("10.5.1.0/24"), mode == FirewallMode::nftables ? 3 : 6);
    EXPECT_EQ(iptables("10.9.1.0/24") + nft("10.9.1.0/24"), mode == FirewallMode::nftables ? 3 : 6);
  }
}

TEST_P(FirewallKeeperTest, AnotherNetworkKeepsItsRulesInAnIptablesThatIsNotUsed) {
  sh(R"(iptables-nft -A FORWARD -j ACCEPT
iptables-legacy-restore <<END
*nat
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -s 10.9.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
-A FLANNEL-POSTRTG -s 10.5.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
COMMIT
END
)");
  start({.rules = kAll});
  EXPECT_EQ(count("iptables-legacy-save -t nat", "10.5.0.0/16"), 0);
  EXPECT_EQ(count("iptables-legacy-save -t nat", "10.9.0.0/16"), 1);
  EXPECT_EQ(count("iptables-legacy-save -t nat", "-j FLANNEL-POSTRTG"), 1);
}

TEST_P(FirewallKeeperTest, DeletedRulesComeBack) {
  start({.mode = FirewallMode::iptables, .rules = kAll});
  sh("iptables-nft -t nat -F FLANNEL-POSTRTG; iptables-nft -F FORWARD");
  next_look();
  EXPECT_EQ(iptables("-A FLANNEL-POSTRTG"), 6);
  EXPECT_EQ(iptables("-A FORWARD"), 1);
}

TEST_P(FirewallKeeperTest, ADeletedTableComesBack) {
  start({.mode = FirewallMode::nftables, .rules = kAll});
  sh("nft delete table ip flannel-10.5.0.0-16");
  next_look();
  EXPECT_EQ(nft("masquerade"), 2);
  sh("nft add rule ip flannel-10.5.0.0-16 forward drop");
  next_look();
  EXPECT_EQ(nft("drop"), 0);
}

TEST_P(FirewallKeeperTest, AnotherSubnetReplacesTheRules) {
  for (const auto mode : {FirewallMode::iptables, FirewallMode::nftables}) {
    start({.mode = mode, .rules = kAll});
    want("10.5.9.0/24");
    EXPECT_EQ(iptables("10.5.1.0") + nft("10.5.1.0"), 0);
  }
}

// Docker comes after us, and sets the policy.
TEST_P(FirewallKeeperTest, NftablesPassesAnIptablesThatBeginsToDrop) {
  start({.mode = FirewallMode::nftables, .rules = kAll});
  EXPECT_EQ(iptables("FLANNEL"), 0) << "not touched as long as it drops nothing";
  sh("iptables-nft -N DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN; "
     "iptables-nft -P FORWARD DROP; iptables-nft -I FORWARD -j DOCKER-USER");
  next_look();
  EXPECT_EQ(iptables("-A FLANNEL-FWD"), 2);
  EXPECT_EQ(iptables("-j FLANNEL-FWD"), 1);
  EXPECT_EQ(iptables("FLANNEL-POSTRTG"), 0);
}

const OverlayIngress kVxlan{.devices = {{"flannel.1", Family::v4}, {"flannel.1", Family::v6}}};
constexpr const char* kDocker28 =
    "iptables-nft -N DOCKER-USER; iptables-nft -N DOCKER-FORWARD; "
    "iptables-nft -A FORWARD -j DOCKER-USER; iptables-nft -A FORWARD -j DOCKER-FORWARD";
constexpr const char* kContainer =
    "iptables-nft -t raw -A PREROUTING -d 10.5.1.2/32 ! -i docker0 -j DROP";

TEST_P(FirewallKeeperTest, DockerIsPassedInBothModesAndInBothOrdersOfStarting) {
  for (const auto mode : {FirewallMode::iptables, FirewallMode::nftables}) {
    sh("nft flush ruleset");
    start({.mode = mode, .rules = kAll});
    firewall->admit(kVxlan);
    sh(kDocker28);
    next_look();
    EXPECT_EQ(iptables("-j FLANNEL-DOCKER"), 2);
    sh("nft flush ruleset");
    sh(kDocker28);
    sh(kContainer);
    start({.mode = mode, .rules = kAll});
    firewall->admit(kVxlan);
    next_look();
    EXPECT_EQ(iptables("-A PREROUTING -m comment --comment \"flanneld docker\" -j FLANNEL-DOCKER\n"
                       "-A PREROUTING -d 10.5.1.2/32 ! -i docker0 -j DROP"),
              1);
  }
}

TEST_P(FirewallKeeperTest, SwitchedOffDockersTablesAreFreedOfUs) {
  sh(kDocker28);
  start({.rules = kAll});
  firewall->admit(kVxlan);
  next_look();
  EXPECT_EQ(iptables("-j FLANNEL-DOCKER"), 2);
  start({.rules = kAll, .docker = false});
  firewall->admit(kVxlan);
  EXPECT_EQ(iptables("FLANNEL-DOCKER"), 0);
  EXPECT_EQ(iptables("-A FLANNEL-FWD"), 2) << "the rest stays";
}

TEST_P(FirewallKeeperTest, AnUnderlayOfAnyNameIsLetIn) {
  sh(kDocker28);
  start({.rules = kAll});
  firewall->admit({.underlay = R"(e"x\)", .neighbours = {ip("192.0.2.2")}});
  next_look();
  EXPECT_EQ(problems_of(*firewall, Severity::warning), "");
  EXPECT_EQ(iptables(R"( -i e"x\ -m comment)"), 4) << "the network and the peer, in two tables";
}

TEST_P(FirewallKeeperTest, SwitchedOffWhatAnotherDaemonHasInDockersTablesStays) {
  sh(kDocker28);
  start({.rules = kAll});
  firewall->admit(kVxlan);
  next_look();
  firewall.reset();  // it would put them back
  Firewall other({.rules = kAll, .docker = false}, parts());
  NetworkConfig others;
  want_of(other, others, "10.9.0.0/16", "10.9.1.0/24");
  next_look();
  EXPECT_EQ(iptables("-d 10.5.1.0/24 -i flannel.1"), 2);
  EXPECT_EQ(iptables("-j FLANNEL-DOCKER"), 2);
}

TEST_P(FirewallKeeperTest, TheIptablesThatDropsIsTheOneToAsk) {
  sh("iptables-legacy -P FORWARD DROP");
  start({.mode = FirewallMode::nftables, .rules = kAll});
  EXPECT_EQ(count("iptables-legacy-save", "-A FLANNEL-FWD"), 2);
  EXPECT_EQ(iptables("FLANNEL"), 0);
}

// The kernel sends no notifications for it.
TEST_P(FirewallKeeperTest, IptablesLegacyThatBeginsToDropIsSeenByTheTimer) {
  start({.rules = kAll});
  sh("iptables-legacy -P FORWARD DROP");
  next_look();
  EXPECT_EQ(count("iptables-legacy-save", "-A FLANNEL-FWD"), 2);
  EXPECT_EQ(iptables("FLANNEL"), 0);
}

TEST_P(FirewallKeeperTest, ARuleOfIptablesLegacyComesBackWithTheTimer) {
  sh("iptables-legacy -P FORWARD DROP");
  start({.mode = FirewallMode::nftables, .rules = kAll});
  next_look();  // our own change was one
  sh("iptables-legacy -F FLANNEL-FWD");
  next_look();
  EXPECT_EQ(count("iptables-legacy-save", "-A FLANNEL-FWD"), 2);
}

// Programs in front of the real ones, which refuse some of their input.
class RefusingPrograms {
 public:
  RefusingPrograms() : path_(std::getenv("PATH")) {
    char name[] = "/tmp/refusing-XXXXXX";
    folder_ = ::mkdtemp(name);
    ::setenv("PATH", (folder_.string() + ":" + path_).c_str(), 1);
  }
  ~RefusingPrograms() {
    ::setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }
  // `condition`: of its standard input, in the language of the shell.
  void add(const std::string& program, const std::string& condition) {
    const auto file = folder_ / program;
    std::ofstream(file) << "#!/bin/sh\ncat >$0.input\nif " << condition
                        << " <$0.input; then echo refused >&2; exit 1; fi\nexec /usr/sbin/"
                        << program << " \"$@\" <$0.input\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }

 private:
  const std::string path_;
  std::filesystem::path folder_;
};

class FirewallTroubleTest : public FirewallKeeperTest {
 protected:
  RefusingPrograms programs;
};

INSTANTIATE_TEST_SUITE_P(Both, FirewallTroubleTest, kBothFamilies, family_name);

TEST_P(FirewallTroubleTest, AnIptablesWithoutRandomPortsMasqueradesWithoutThem) {
  programs.add(text("iptables-restore"), "grep -q random-fully");
  start({.mode = FirewallMode::iptables, .rules = kAll});
  EXPECT_EQ(iptables("-j MASQUERADE"), 2);
  EXPECT_EQ(iptables("--random-fully"), 0);
  want("10.5.9.0/24");
  EXPECT_EQ(iptables("-j MASQUERADE"), 2);
}

TEST_P(FirewallTroubleTest, AnNftablesThatFailsCostsNoRandomPortsInIptables) {
  const auto other = Nftables::open().value();
  ASSERT_TRUE(other->run(text("table ip flannel-10.5.0.0-16 { flags owner; }")));
  start({.rules = kAll});
  EXPECT_EQ(iptables("-j MASQUERADE --random-fully"), 2);
  EXPECT_EQ(nft("masquerade"), 2) << "those of iptables-nft";
}

}  // namespace
}  // namespace flannel::firewall_test
