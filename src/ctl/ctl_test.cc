// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ctl/store_session.h"
#include "support/ctl_fixture.h"

namespace flannel::ctl_test {
namespace {

TEST_F(CtlTest, AConfigurationThatIsSetIsReadBack) {
  const Said set = ctl({"config", "set", kVxlan});
  EXPECT_EQ(set.code, 0) << set.err;
  EXPECT_EQ(set.out,
            "network    10.5.0.0/16\n"
            "subnets    255, one for each host: 10.5.1.0/24 to 10.5.255.0/24\n"
            "addresses  254 on each host, one of them the bridge's\n"
            "backend    vxlan\n"
            "mtu        1450 where the interface between the hosts has 1500\n");
  EXPECT_EQ(set.err, "");
  EXPECT_EQ(ctl({"config", "get"}).out, std::string(kVxlan) + "\n");
}

TEST_F(CtlTest, ANetworkThatThisHostUsesIsWarnedOf) {
  read_host = [] {
    HostView view;
    view.interfaces = {{.index = 2, .name = "eth0", .mtu = 1500, .up = true, .addresses = {}}};
    view.interfaces[0].addresses = {{.ip = IpAddress::v4(10, 5, 200, 3), .bits = 28}};
    view.default_routes.emplace_back().interface_index = 2;
    view.routes = {{IpPrefix::parse_v4("10.6.0.0/16").value(), 7}};
    return Result<HostView>(view);
  };
  const std::string warning =
      "flannelctl: warning: as seen from this host: Network 10.5.0.0/16 overlaps what this host "
      "uses outside of the overlay: 10.5.200.3 (the address of eth0), the link 10.5.200.0/28 of "
      "eth0. No subnet";
  for (const char* command : {"check", "set"}) {
    const Said said = ctl({"config", command, kVxlan});
    EXPECT_EQ(said.code, 0);
    EXPECT_EQ(said.err.substr(0, warning.size()), warning);
  }
  const Said held = ctl({"config", "check", R"({"Network":"10.6.0.0/16"})"});
  EXPECT_TRUE(
      held.err.starts_with("flannelctl: warning: as seen from this host: packets to "
                           "10.6.0.0/16 leave by device 7, "))
      << held.err;
  EXPECT_EQ(ctl({"config", "check", R"({"Network":"10.6.0.0/16","Backend":{"Type":"vxlan"}})"}).err,
            "")
      << "its routes are longer";
  EXPECT_EQ(ctl({"config", "check", R"({"Network":"10.7.0.0/16"})"}).err, "");
}

TEST_F(CtlTest, TwoNodesWithOnePublicIPAreBad) {
  ctl({"config", "set", kVxlan});
  const auto value = [](char node, const char* boot) {
    return R"({"PublicIP":"192.0.2.7","NodeID":")" + std::string(32, node) + "/" + boot + "\"}";
  };
  lease("10.5.52.0-24", value('a', "00000001"));
  lease("10.5.3.0-24", value('b', "00000002"));
  EXPECT_EQ(ctl({"leases", "--bad"}).out,
            "KEY          WHY\n"
            "10.5.3.0-24  PublicIP 192.0.2.7 is also that of 10.5.52.0/24, which another node "
            "wrote\n");
  lease("10.5.3.0-24", value('a', "00000002"));
  EXPECT_EQ(ctl({"leases", "--bad"}).out, "KEY  WHY\n") << "its own, from before a reboot";
}

TEST_F(CtlTest, AFreeSubnetIsReservedForAHost) {
  ctl({"config", "set", kVxlan});
  EXPECT_NE(ctl({"reserve", "10.5.52.0/24"}).err.find("--node=ADDRESS says whom"),
            std::string::npos);
  const Said done = ctl({"reserve", "10.5.52.0/24", "--node=192.0.2.7"});
  EXPECT_EQ(done.out, "10.5.52.0/24 is reserved for 192.0.2.7\n") << done.err;
  EXPECT_NE(ctl({"leases"}).out.find("10.5.52.0/24  192.0.2.7  -        -             reservation"),
            std::string::npos)
      << ctl({"leases"}).out;
  EXPECT_EQ(ctl({"reserve", "10.5.52.0-24"}).code, 0) << "again, and by its key";
  EXPECT_EQ(ctl({"reserve", "10.5.52.0/24", "--node=192.0.2.8"}).err,
            "flannelctl: 192.0.2.7 has 10.5.52.0/24\n");
}

TEST_F(CtlTest, ALeaseBecomesAReservationAndALeaseAgainWithTheSameText) {
  ctl({"config", "set", kVxlan});
  const std::string text = R"({"PublicIP":"192.0.2.7","More":1})";
  lease("10.5.52.0-24", text);
  const auto record = [&] { return store->snapshot(kPrefix).records.at(0); };
  EXPECT_EQ(ctl({"unreserve", "10.5.52.0/24"}).out,
            "10.5.52.0/24 is no reservation but a lease of 192.0.2.7\n");
  EXPECT_EQ(ctl({"reserve", "10.5.52.0/24"}).code, 0);
  EXPECT_FALSE(record().expires());
  EXPECT_EQ(ctl({"unreserve", "10.5.52.0/24"}).code, 0);
  EXPECT_TRUE(record().expires());
  EXPECT_EQ(record().value, text);
  EXPECT_EQ(ctl({"unreserve", "10.5.53.0/24"}).err, "flannelctl: nobody has 10.5.53.0/24\n");
}

TEST_F(CtlTest, WhatNoHostCouldHaveIsNotReserved) {
  ctl({"config", "set", kVxlan});
  lease("10.5.52.0-24", R"({"PublicIP":"192.0.2.7"})");
  const auto why = [&](const char* subnet) {
    return ctl({"reserve", subnet, "--node=192.0.2.9"}).err;
  };
  EXPECT_EQ(why("10.6.52.0/24"),
            "flannelctl: no host could have 10.6.52.0/24: subnets are /24 from 10.5.1.0 to "
            "10.5.255.0\n");
  EXPECT_NE(why("10.5.52.0/25").find("no host could have"), std::string::npos);
  EXPECT_NE(why("ten").find("ten is no subnet"), std::string::npos);
  EXPECT_EQ(mistake({"reserve", "10.5.1.0/24", "--node=me"}),
            "--node: \"me\" is not an IP address");
  EXPECT_EQ(mistake({"leases", "--node=192.0.2.1"}), "--node means nothing to `leases`");
}

TEST_F(CtlTest, AnEqualConfigurationIsUnchanged) {
  ctl({"config", "set", kVxlan});
  EXPECT_EQ(ctl({"config", "set", "-"}, std::string(kVxlan) + "\n").out,
            "unchanged, the store has this configuration already\n");
}

TEST_F(CtlTest, AWrongConfigurationIsNotWritten) {
  ctl({"config", "set", kVxlan});
  const Words wrong[] = {
      {R"({"Network":"10.5.0.0/31"})", "10.5.0.0/31"},
      {R"({"Network":"10.5.0.0/16","Backend":{"Type":"pigeon"}})", "pigeon"},
      {R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":-1}})", "VNI"},
      {R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"10.5.0.0/16"})", "IPv6Network"}};
  for (const Words& pair : wrong) {
    const Said said = ctl({"config", "set", pair[0]});
    EXPECT_EQ(said.code, 1);
    EXPECT_NE(said.err.find(pair[1]), std::string::npos) << said.err;
    EXPECT_EQ(std::ranges::count(said.err, '\n'), 1) << said.err;
  }
  EXPECT_EQ(ctl({"config", "get"}).out, std::string(kVxlan) + "\n");
}

// A terminal that acts when something is printed on it.
class Alarm : public std::stringbuf {
 public:
  explicit Alarm(std::function<void()> act) : act_(std::move(act)) {}
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    if (auto act = std::exchange(act_, nullptr)) act();
    return std::stringbuf::xsputn(text, size);
  }

 private:
  std::function<void()> act_;
};

TEST_F(CtlTest, AConfigurationChangedMeanwhileIsNotOverwritten) {
  ctl({"config", "set", kVxlan});
  lease("10.5.7.0-24", R"({"PublicIP":"192.0.2.7"})");  // makes the command print a warning
  Alarm err([this] { store->put_config(kPrefix, kHostGw); });
  std::istringstream in;
  std::ostringstream out;
  std::ostream to_err(&err);
  const Words words = {"--store=memory", "config", "set", "--force",
                       R"({"Network":"10.6.0.0/16","Backend":{"Type":"vxlan"}})"};
  EXPECT_EQ(run_ctl(words, no_environment, {in, out, to_err}), 1);
  EXPECT_NE(err.str().find("another process changed the configuration"), std::string::npos);
  EXPECT_EQ(ctl({"config", "get"}).out, std::string(kHostGw) + "\n");
}

TEST_F(CtlTest, CheckShowsAFileOrTextOrWhatIsStored) {
  char path[] = "/tmp/flannel-ctl-XXXXXX";
  ::close(::mkstemp(path));
  std::ofstream(path) << "\n "
                      << R"({"Network":"10.0.0.0/23","Backend":{"Type":"host-gw"}})"
                      << "\n";
  EXPECT_EQ(ctl({"config", "check", path, "--underlay-mtu=9000"}).out,
            "network    10.0.0.0/23\n"
            "subnets    3, one for each host: 10.0.0.128/25 to 10.0.1.128/25\n"
            "addresses  126 on each host, one of them the bridge's\n"
            "backend    host-gw\n"
            "mtu        9000 where the interface between the hosts has 9000\n");
  std::filesystem::remove(path);
  store->put_config(kPrefix, kVxlan);
  EXPECT_EQ(ctl({"config", "check"}).out + "Hosts that run have nothing to change.\n",
            ctl({"config", "check", kVxlan}).out);
  EXPECT_EQ(ctl({"config", "check", path}).err,
            "flannelctl: open " + std::string(path) + ": No such file or directory\n");
}

TEST_F(CtlTest, CheckWarnsOfWhatHasNoEffect) {
  const Said said =
      ctl({"config", "check", "-"}, R"({"network":"10.5.0.0/16","Colour":1,"EnableNFTables":true,)"
                                    R"("Backend":{"type":"VXLAN"}})");
  EXPECT_EQ(said.code, 0);
  EXPECT_NE(said.err.find("Colour"), std::string::npos);
  EXPECT_NE(said.err.find("EnableNFTables"), std::string::npos);
}

TEST_F(CtlTest, WithoutAConfigurationTheNextStepIsNamed) {
  const Said get = ctl({"config", "get"});
  EXPECT_EQ(get.code, 1);
  EXPECT_EQ(get.err,
            "flannelctl: there is no configuration in memory, key /coreos.com/network/config; "
            "write one with `flannelctl config set`\n");
  EXPECT_EQ(ctl({"config", "check"}).code, 1);
}

TEST_F(CtlTest, ATextThatIsNoConfigurationReachesTheTerminalWithoutControlCharacters) {
  store->put_config(kPrefix, "{\n\t\"a\": \"\x1b[2J\"\n}");
  EXPECT_EQ(ctl({"config", "get"}).out, "{\n\t\"a\": \"\\x1b[2J\"\n}\n");
}

TEST_F(CtlTest, LeasesAreListedInTheOrderOfTheirSubnets) {
  lease("10.5.20.0-24", R"({"PublicIP":"192.0.2.2","PublicIPv6":null,"BackendType":"vxlan",)"
                        R"("BackendData":{"VNI":1,"VtepMAC":"aa:bb:cc:dd:ee:ff"}})");
  lease("10.5.3.0-24", R"({"PublicIP":"192.0.2.30"})", std::nullopt);
  const Said said = ctl({"leases"});
  EXPECT_EQ(said.out,
            "SUBNET        PUBLIC-IP   BACKEND  BACKEND-DATA                           "
            "  KIND\n"
            "10.5.3.0/24   192.0.2.30  -        -                                      "
            "  reservation\n"
            "10.5.20.0/24  192.0.2.2   vxlan    {\"VNI\":1,\"VtepMAC\":\"aa:bb:cc:dd:ee:ff\"}"
            "  lease\n");
  EXPECT_EQ(said.err, "");
  const auto json = nlohmann::json::parse(ctl({"leases", "--json"}).out);
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[1]["subnet"], "10.5.20.0/24");
  EXPECT_EQ(json[1]["backend_data"]["VtepMAC"], "aa:bb:cc:dd:ee:ff");
  EXPECT_EQ(json[1]["kind"], "lease");
  EXPECT_EQ(json[0]["kind"], "reservation");
  EXPECT_TRUE(json[0]["backend_data"].is_null());
}

TEST_F(CtlTest, RecordsThatAreQuarantinedAreCountedAndListedWithTheReason) {
  ctl({"config", "set", kVxlan});
  lease("10.5.3.0-24", R"({"PublicIP":"192.0.2.3"})");
  lease("lock\x1b[2J", "{}");
  lease("10.9.4.0-24", R"({"PublicIP":"192.0.2.4"})");
  const Said leases = ctl({"leases"});
  EXPECT_EQ(std::ranges::count(leases.out, '\n'), 2);
  EXPECT_EQ(leases.err,
            "flannelctl: 2 more quarantined; `flannelctl leases --bad` says which and why\n");
  const std::string bad = ctl({"--bad", "leases"}).out;
  EXPECT_NE(bad.find("lock\\x1b[2J"), std::string::npos) << bad;
  EXPECT_NE(bad.find("10.9.4.0-24  "), std::string::npos) << bad;
  EXPECT_NE(bad.find("10.5.0.0/16"), std::string::npos) << bad;
  const auto json = nlohmann::json::parse(ctl({"leases", "--bad", "--json"}).out);
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[1]["key"], "lock\x1b[2J");
}

TEST_F(CtlTest, AStoreThatDoesNotAnswerIsGivenUpAfterTheTimeout) {
  store->hold_answers();
  const Said said = ctl({"leases", "--timeout=10ms"});
  store->release_answers();
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err, "flannelctl: no answer from memory within 10 ms (--timeout)\n");
}

TEST_F(CtlTest, AFailureOfTheStoreIsOneLine) {
  store->fail_next({ErrorKind::unavailable, "connection\nrefused"});
  const Said said = ctl({"leases"});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err, "flannelctl: connection\\nrefused\n");
}

TEST_F(CtlTest, AdviceAboutTheStoreIsGivenWhereTheStoreFailed) {
  store->fail_next({ErrorKind::denied, "permission denied"});
  EXPECT_EQ(ctl({"leases"}).err,
            "flannelctl: permission denied; run it as the user that flanneld runs as\n");
  if (::geteuid() == 0) return;  // root may read everything
  char path[] = "/tmp/flannel-ctl-XXXXXX";
  ::close(::mkstemp(path));
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(ctl({"config", "check", path}).err,
            "flannelctl: open " + std::string(path) + ": Permission denied\n");
  std::filesystem::remove(path);
}

TEST_F(CtlTest, CleanupTakesTheNameOfABackend) {
  EXPECT_EQ(mistake({"cleanup", "--backend=gce"}),
            "--backend: \"gce\" is none of all, udp, vxlan, ipip, host-gw, wireguard, ipsec");
  EXPECT_EQ(mistake({"cleanup", "all"}),
            "unexpected word \"all\", the command is `flannelctl cleanup`");
  EXPECT_EQ(mistake({"leases", "--force"}), "--force means nothing to `leases`");
  const auto run = parse_ctl_command_line(
      Words{"cleanup", "--backend", "host-gw", "--dry-run", "--force"}, no_environment);
  ASSERT_TRUE(run) << run.error().text;
  EXPECT_EQ(run->options.backend, "host-gw");
  EXPECT_TRUE(run->options.dry_run && run->options.force);
}

TEST_F(CtlTest, UnwritableOutputIsAFailure) {
  std::istringstream in;
  std::ostringstream out, err;
  out.setstate(std::ios::badbit);
  EXPECT_EQ(run_ctl(Words{"version"}, no_environment, {in, out, err}), 1);
}

TEST_F(CtlTest, VersionAndHelpAreCommandsAndFlags) {
  EXPECT_EQ(ctl({"version"}).out, "v0.1.0\n");
  EXPECT_EQ(ctl({"--version"}).out, "v0.1.0\n");
  const std::string help = ctl({"help"}).out;
  for (const char* text : {"config set FILE|-|JSON", "leases", "--etcd-endpoints", "--timeout"}) {
    EXPECT_NE(help.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(ctl({"-h"}).out, help);
  const std::string about = ctl({"help", "config"}).out;
  EXPECT_NE(about.find("config get"), std::string::npos);
  EXPECT_NE(about.find("config check"), std::string::npos);
  EXPECT_EQ(about.find("leases"), std::string::npos);
  EXPECT_EQ(ctl({"config", "get", "--help"}).out, ctl({"help", "config", "get"}).out);
  EXPECT_EQ(ctl({"help", "leses"}).code, 2);
  EXPECT_EQ(mistake({"help", "leses"}), "unknown command \"leses\", did you mean \"leases\"?");
  EXPECT_EQ(mistake({"config", "gte", "--help"}),
            "unknown command \"config gte\", did you mean \"config get\"?");
}

TEST_F(CtlTest, ACommandLineThatIsNotUnderstoodSuggestsWhatWasMeant) {
  EXPECT_EQ(mistake({}), "no command given; `flannelctl help` lists them");
  EXPECT_EQ(mistake({"confg", "get"}), "unknown command \"confg\", did you mean \"config\"?");
  EXPECT_EQ(mistake({"config", "gte"}),
            "unknown command \"config gte\", did you mean \"config get\"?");
  EXPECT_EQ(mistake({"lease"}), "unknown command \"lease\", did you mean \"leases\"?");
  EXPECT_EQ(mistake({"frobnicate"}),
            "unknown command \"frobnicate\"; `flannelctl help` lists them");
  EXPECT_EQ(mistake({"config"}),
            "\"config\" needs a second word: `config get` `config set` `config check`");
  EXPECT_EQ(mistake({"config", "set"}), "a word is missing: `flannelctl config set FILE|-|JSON`");
  EXPECT_EQ(mistake({"leases", "all"}),
            "unexpected word \"all\", the command is `flannelctl leases`");
  EXPECT_EQ(mistake({"--jsn", "leases"}), "unknown flag \"--jsn\", did you mean --json?");
  EXPECT_EQ(mistake({"config", "get", "--json"}), "--json means nothing to `config get`");
  EXPECT_EQ(mistake({"leases", "--underlay-mtu=1500"}), "--underlay-mtu means nothing to `leases`");
  EXPECT_EQ(mistake({"config", "check", "--underlay-mtu=10"}),
            "--underlay-mtu: 10 is not between 576 and 65535");
  for (const char* time : {"", "0", "10h", "1.5s", "-1s", "s", "99999999999s"}) {
    EXPECT_EQ(mistake({"leases", std::string("--timeout=") + time}),
              "--timeout: \"" + std::string(time) + "\" is no time such as 500ms, 10s or 1m");
  }
}

TEST_F(CtlTest, FlagsStandAnywhereAndTheStoreMayBeNamedByTheEnvironment) {
  const std::map<std::string, std::string> variables = {{"FLANNELD_ETCD_ENDPOINTS", "http://a:1"},
                                                        {"FLANNELD_ETCD_PREFIX", "/p"},
                                                        {"FLANNELD_JSON", "true"}};
  const auto run = parse_ctl_command_line(
      Words{"--timeout=1m", "leases", "--etcd-prefix=/q"}, [&](const std::string& name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
      });
  ASSERT_TRUE(run.has_value());
  EXPECT_EQ(run->command->name, "leases");
  EXPECT_EQ(run->options.store.endpoints, Words{"http://a:1"});
  EXPECT_EQ(run->options.store.prefix, "/q");
  EXPECT_EQ(run->options.timeout, milliseconds(60'000));
  EXPECT_FALSE(run->options.json);
}

}  // namespace
}  // namespace flannel::ctl_test
