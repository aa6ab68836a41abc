// SPDX-License-Identifier: Apache-2.0
#include "daemon/options.h"

#include <gtest/gtest.h>

#include <map>

namespace flannel::options_test {
namespace {

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;
using std::chrono::minutes;
using std::chrono::seconds;

Result<CommandLine> parse(const Words& arguments, const Variables& variables = {}) {
  return parse_command_line(arguments, [&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

Options options(const Words& arguments, const Variables& variables = {}) {
  const auto parsed = parse(arguments, variables);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().text;
  return parsed ? std::get<Options>(*parsed) : Options{};
}

std::string printed(const Words& arguments, const Variables& variables = {}) {
  const auto parsed = parse(arguments, variables);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().text;
  return parsed ? std::get<PrintAndExit>(*parsed).text : "";
}

std::string mistake(const Words& arguments, const Variables& variables = {}) {
  const auto parsed = parse(arguments, variables);
  return parsed ? "no mistake" : parsed.error().text;
}

TEST(OptionsTest, WithoutFlagsEverythingHasUpstreamsDefault) {
  const Options given = options({});
  EXPECT_EQ(given.store.kind, StoreKind::etcd);
  EXPECT_EQ(given.store.endpoints, (Words{"http://127.0.0.1:4001", "http://127.0.0.1:2379"}));
  EXPECT_EQ(given.subnet_file, "/run/flannel/subnet.env");
  EXPECT_EQ(given.state_dir, "/var/lib/flannel");
  EXPECT_EQ(given.keeper.ttl, seconds(86400));
  EXPECT_EQ(given.keeper.renew_margin, minutes(60));
  EXPECT_EQ(given.healthz, std::nullopt);
  EXPECT_EQ(given.verbosity, 0);
  EXPECT_EQ(given.given, "");
  EXPECT_TRUE(given.warnings.empty());
}

TEST(OptionsTest, TheCommandLineOfUpstreamIsAccepted) {
  const Options given = options({"-etcd-endpoints=http://a:1,http://b:2",
                                 "-etcd-prefix",
                                 "/vxlan/network",
                                 "-iface",
                                 "eth0",
                                 "--iface=192.0.2.1",
                                 "-iface-regex=^eth",
                                 "--iface-can-reach=192.0.2.254",
                                 "--public-ip=203.0.113.7",
                                 "-subnet-file=/vxlan.env",
                                 "--v=2",
                                 "-ip-masq=false",
                                 "-kube-subnet-mgr=false",
                                 "--iptables-forward-rules=true",
                                 "--iptables-resync=5",
                                 "--subnet-lease-renew-margin=0x3c",
                                 "-healthz-ip=127.0.0.1",
                                 "-healthz-port=8471",
                                 "--log_backtrace_at=:0",
                                 "--vmodule="});
  EXPECT_EQ(given.store.prefix, "/vxlan/network");
  EXPECT_EQ(given.underlay.interfaces, (Words{"eth0", "192.0.2.1"}));
  EXPECT_EQ(given.underlay.regexes, Words{"^eth"});
  EXPECT_EQ(given.underlay.can_reach, "192.0.2.254");
  EXPECT_EQ(given.underlay.public_ip, "203.0.113.7");
  EXPECT_EQ(given.subnet_file, "/vxlan.env");
  EXPECT_EQ(given.healthz, (ListenAddress{"127.0.0.1", 8471}));
  EXPECT_EQ(given.verbosity, 2);
}

TEST(OptionsTest, TheStatusPageIsOnLoopbackUnlessAnAddressIsGiven) {
  const auto page = [](const std::string& text) {
    return options({"--status-addr=" + text, "--status-token-file=/t"}).page;
  };
  EXPECT_EQ(options({}).page, std::nullopt);
  EXPECT_EQ(page(""), std::nullopt);
  EXPECT_EQ(page("8088"), (ListenAddress{"127.0.0.1", 8088}));
  EXPECT_EQ(page("localhost:8088"), (ListenAddress{"127.0.0.1", 8088}));
  EXPECT_EQ(page("192.0.2.1:80"), (ListenAddress{"192.0.2.1", 80}));
  EXPECT_EQ(page("[fd00::1]:80"), (ListenAddress{"fd00::1", 80}));
  for (const char* wrong : {"0", "65536", ":80", "host:80", "192.0.2.1:", "fd00::g:80", "80:", "x"})
    EXPECT_NE(mistake({std::string("--status-addr=") + wrong}).find("ADDRESS:PORT"),
              std::string::npos)
        << wrong;
}

TEST(OptionsTest, AStatusPageThatOthersCanReadIsWarnedOf) {
  EXPECT_TRUE(options({"--status-addr=8088"}).warnings.empty());
  EXPECT_TRUE(options({"--status-addr=[::1]:8088"}).warnings.empty());
  EXPECT_TRUE(options({"--status-addr=0.0.0.0:80", "--status-token-file=/t"}).warnings.empty());
  EXPECT_EQ(options({"--status-addr=0.0.0.0:80"}).warnings.size(), 1U);
  EXPECT_EQ(options({"--status-token-file=/t"}).warnings.size(), 1U) << "it has no effect";
}

TEST(OptionsTest, HealthIsPublishedOnlyWithTheFlagAndByWhoProbes) {
  EXPECT_FALSE(options({}).publish_health);
  EXPECT_TRUE(options({"--publish-health"}).publish_health);
  const Options silent = options({"--publish-health", "--probe-peers=false"});
  EXPECT_FALSE(silent.publish_health);
  EXPECT_EQ(silent.warnings.size(), 1U);
}

TEST(OptionsTest, PrivilegesAreKeptOnlyWithTheFlag) {
  EXPECT_FALSE(options({}).keep_privileges);
  EXPECT_TRUE(options({"--keep-privileges"}).keep_privileges);
  EXPECT_TRUE(options({}, {{"FLANNELD_KEEP_PRIVILEGES", "true"}}).keep_privileges);
}

TEST(OptionsTest, AnInterfaceWithoutANameIsTakenAsNotGiven) {
  EXPECT_TRUE(options({"--iface=", "--iface-regex="}).underlay.interfaces.empty());
}

TEST(OptionsTest, VersionAndHelpArePrinted) {
  EXPECT_EQ(printed({"--version"}), "v0.1.0\n");
  EXPECT_EQ(printed({"-version", "--ip-masq"}, {{"FLANNELD_IFACE_REGEX", "x"}}), "v0.1.0\n");
  for (const char* word : {"-h", "-help", "--help"}) {
    EXPECT_EQ(printed({word}).find("Usage: flanneld [OPTION]...\n"), 0U) << word;
  }
}

TEST(OptionsTest, TheEnvironmentDoesNotAskForTheVersion) {
  EXPECT_EQ(options({}, {{"FLANNELD_VERSION", "v0.28.9"}}).given, "");
}

TEST(OptionsTest, HelpNamesEveryFlagOfUpstream) {
  const std::string help = printed({"--help"});
  for (const char* name : {"etcd-endpoints",  "etcd-prefix",
                           "etcd-keyfile",    "etcd-certfile",
                           "etcd-cafile",     "etcd-username",
                           "etcd-password",   "iface",
                           "iface-regex",     "iface-can-reach",
                           "public-ip",       "public-ipv6",
                           "subnet-file",     "subnet-lease-renew-margin",
                           "ip-masq",         "ip-masq-fully-random-disable",
                           "iptables-resync", "iptables-forward-rules",
                           "firewall",        "ip-blackhole-route",
                           "kube-subnet-mgr", "kube-api-url",
                           "kubeconfig-file", "kube-annotation-prefix",
                           "net-config-path", "set-node-network-unavailable",
                           "healthz-ip",      "healthz-port",
                           "version",         "v",
                           "vmodule",         "log_backtrace_at",
                           "store",           "subnet-lease-ttl",
                           "state-dir"}) {
    const std::string line = std::string("\n  --") + name;
    EXPECT_TRUE(help.find(line + "\n") != std::string::npos ||
                help.find(line + " ") != std::string::npos)
        << name;
  }
}

TEST(OptionsTest, FeaturesThatAreNotSupportedAreRefusedWithAReason) {
  const Words refused[] = {
      {"--vmodule=a=1",
       "--vmodule: this release sets the verbosity for the whole program, with "
       "--v"},
      {"--log_backtrace_at=main.go:1", "--log_backtrace_at: this release prints no backtraces"}};
  for (const Words& pair : refused)
    EXPECT_EQ(mistake({pair[0]}), pair[1]);
  for (const char* name :
       {"kube-subnet-mgr", "kube-api-url=x", "kubeconfig-file=x", "kube-annotation-prefix=x",
        "net-config-path=/etc/kube-flannel/net-conf.json", "set-node-network-unavailable=false"}) {
    const std::string flag = std::string("--") + name;
    EXPECT_EQ(mistake({flag}),
              flag.substr(0, flag.find('=')) +
                  ": this release has no Kubernetes mode yet, leases are in --store");
  }
  EXPECT_EQ(
      mistake({}, {{"FLANNELD_KUBECONFIG_FILE", "x"}}),
      "FLANNELD_KUBECONFIG_FILE: this release has no Kubernetes mode yet, leases are in --store");
}

TEST(OptionsTest, ABlackholeRouteIsKeptOnlyIfItIsAskedFor) {
  EXPECT_FALSE(options({}).ip_blackhole_route);
  EXPECT_TRUE(options({"-ip-blackhole-route"}).ip_blackhole_route);
  EXPECT_TRUE(options({}, {{"FLANNELD_IP_BLACKHOLE_ROUTE", "true"}}).ip_blackhole_route);
}

TEST(OptionsTest, RulesAreThoseThatAreAskedFor) {
  EXPECT_FALSE(options({}).firewall.rules.masquerade);
  EXPECT_TRUE(options({}).firewall.rules.forward);
  EXPECT_EQ(options({}).firewall.mode, FirewallMode::automatic);
  const FirewallOptions given =
      options({"--ip-masq", "--ip-masq-fully-random-disable", "--iptables-forward-rules=false",
               "--iptables-resync=7", "--firewall=nftables"})
          .firewall;
  EXPECT_EQ(given.rules,
            (RuleOptions{.masquerade = true, .forward = false, .fully_random = false}));
  EXPECT_EQ(given.resync, seconds(7));
  EXPECT_EQ(given.mode, FirewallMode::nftables);
  EXPECT_EQ(options({"--firewall=iptables"}).firewall.mode, FirewallMode::iptables);
  EXPECT_TRUE(options({}).firewall.docker);
  EXPECT_FALSE(options({"--docker-rules=off"}).firewall.docker);
  EXPECT_EQ(mistake({"--docker-rules=no"}), "--docker-rules: \"no\" is neither auto nor off");
  EXPECT_EQ(mistake({"--firewall=ufw"}), "--firewall: \"ufw\" is none of auto, nftables, iptables");
}

TEST(OptionsTest, TheNetworkOfDockerIsMadeByTheSocketOfThisHost) {
  const auto docker = [](const Words& words, const Variables& variables = {}) {
    const Options given = options(words, variables);
    return given.docker.network + " by " + given.docker.socket;
  };
  EXPECT_EQ(docker({}, {{"DOCKER_HOST", "tcp://192.0.2.9:2375"}}), " by ") << "it is not asked";
  EXPECT_EQ(docker({"--docker-network=flannel"}), "flannel by /run/docker.sock");
  const Variables by_name{{"FLANNELD_DOCKER_NETWORK", "net"}, {"DOCKER_HOST", "unix:///run/d"}};
  EXPECT_EQ(docker({}, by_name), "net by /run/d");
  EXPECT_EQ(mistake({"--docker-network=n"}, {{"DOCKER_HOST", "tcp://192.0.2.9:2375"}}),
            "DOCKER_HOST: \"tcp://192.0.2.9:2375\" is not unix:///PATH: the network is made in the "
            "Docker of this host, by its socket");
  EXPECT_EQ(mistake({"--docker-network=bridge"}),
            "--docker-network: \"bridge\" is a name that Docker itself uses");
}

TEST(OptionsTest, ThePacketPathIsAsTheOperatorOfTheHostWantsIt) {
  EXPECT_EQ(options({}).packet_path, PacketPathWishes{});
  EXPECT_EQ(options({"--udp-accept-any", "--udp-queues=2", "--udp-cpus=1,3",
                     "--udp-receive-buffer=65536", "--udp-send-buffer=4096"})
                .packet_path,
            (PacketPathWishes{.accept_any = true,
                              .queues = 2,
                              .cpus = {1, 3},
                              .receive_buffer = 65536,
                              .send_buffer = 4096}));
  EXPECT_EQ(mistake({"--udp-queues=65"}), "--udp-queues: 65 is not between 0 and 64");
  EXPECT_EQ(mistake({"--udp-cpus=0,"}), "--udp-cpus: \"\" is no number of a CPU");
  EXPECT_EQ(mistake({"--udp-cpus=1024"}), "--udp-cpus: \"1024\" is no number of a CPU");
  EXPECT_EQ(mistake({"--udp-receive-buffer=0"}),
            "--udp-receive-buffer: 0 is not between 4096 and 1073741824");
}

TEST(OptionsTest, TheRenewMarginLiesWithinADayAndWithinTheLease) {
  EXPECT_EQ(options({"--subnet-lease-renew-margin=1"}).keeper.renew_margin, minutes(1));
  EXPECT_EQ(options({"--subnet-lease-renew-margin=1439"}).keeper.renew_margin, minutes(1439));
  for (const char* margin : {"0", "1440", "-1"}) {
    EXPECT_EQ(mistake({std::string("--subnet-lease-renew-margin=") + margin}),
              "--subnet-lease-renew-margin: " + std::string(margin) + " is not between 1 and 1439");
  }
  EXPECT_EQ(mistake({"--subnet-lease-ttl=60", "--subnet-lease-renew-margin=1"}),
            "--subnet-lease-renew-margin: 1 minutes is not less than the 60 seconds of the lease");
}

TEST(OptionsTest, AShortLeaseIsRenewedAtItsHalfUnlessTheMarginIsGiven) {
  EXPECT_EQ(options({"--subnet-lease-ttl=10"}).keeper.ttl, seconds(10));
  EXPECT_EQ(options({"--subnet-lease-ttl=10"}).keeper.renew_margin, seconds(5));
  EXPECT_EQ(options({"--subnet-lease-ttl=61", "--subnet-lease-renew-margin=1"}).keeper.renew_margin,
            minutes(1));
  EXPECT_EQ(mistake({"--subnet-lease-ttl=9"}),
            "--subnet-lease-ttl: 9 is not between 10 and 31536000");
}

TEST(OptionsTest, AddressesAndPortsAreValidated) {
  EXPECT_EQ(mistake({"--public-ip=host.example"}),
            "--public-ip: \"host.example\" is not an IPv4 address");
  EXPECT_EQ(mistake({"--public-ipv6=192.0.2.1"}),
            "--public-ipv6: \"192.0.2.1\" is not an IPv6 address");
  EXPECT_EQ(mistake({"--public-ipv6=fe80::1"}),
            "--public-ipv6: fe80::1 is no address that other hosts could send to");
  EXPECT_EQ(options({"--public-ipv6=2001:db8::1"}).underlay.public_ipv6, "2001:db8::1");
  EXPECT_EQ(mistake({"--iface-can-reach=host.example"}),
            "--iface-can-reach: \"host.example\" is not an IP address");
  EXPECT_EQ(mistake({"--healthz-ip=localhost"}),
            "--healthz-ip: \"localhost\" is not an IP address");
  EXPECT_EQ(mistake({"--healthz-port=65536"}), "--healthz-port: 65536 is not a TCP port");
  EXPECT_EQ(options({"--healthz-port=-1"}).healthz, std::nullopt);
  EXPECT_EQ(options({"--healthz-port=80", "--healthz-ip="}).healthz,
            (ListenAddress{"0.0.0.0", 80}));
  EXPECT_EQ(options({"--healthz-port=80", "--healthz-ip=::1"}).healthz, (ListenAddress{"::1", 80}));
  EXPECT_EQ(mistake({"--log-format=xml"}), "--log-format: \"xml\" is none of auto, text, json");
  EXPECT_EQ(options({"--log-format=json"}).log_format, log::Format::json);
  EXPECT_EQ(options({}).log_format, log::Format::automatic);
  EXPECT_EQ(mistake({"--iptables-resync=0"}), "--iptables-resync: 0 is not between 1 and 86400");
  EXPECT_EQ(mistake({"--subnet-file="}), "--subnet-file: names no file");
  EXPECT_EQ(mistake({"--subnet-file=/run/flannel/"}),
            "--subnet-file: \"/run/flannel/\" names a folder");
  EXPECT_EQ(mistake({"--state-dir=/run/x", "--subnet-file=/run/x"}),
            "--state-dir: \"/run/x\" is the subnet file, a folder is needed");
  EXPECT_EQ(mistake({"--iface-regex=eth(0"}),
            "--iface-regex: not a regular expression: missing ): eth(0");
  for (const char* nobody : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
    EXPECT_EQ(
        mistake({std::string("--public-ip=") + nobody}),
        std::string("--public-ip: ") + nobody + " is no address that other hosts could send to");
  }
  EXPECT_EQ(mistake({"--public-ip=203.0.113.9"}), "no mistake") << "NAT may have it";
  EXPECT_EQ(mistake({"--state-dir="}), "--state-dir: names no folder");
}

TEST(OptionsTest, ASubnetFileThatIsAFolderCausesAWarning) {
  EXPECT_EQ(options({"--subnet-file=/tmp"}).warnings,
            Words{"--subnet-file \"/tmp\" is a folder, perhaps made for a mount into a container "
                  "before there was a file; remove it"});
  EXPECT_EQ(options({"--subnet-file=/tmp/no-such-folder-/subnet.env"}).warnings, Words{});
}

TEST(OptionsTest, FlagsOfEarlierReleasesAreExplained) {
  for (const char* harmless : {"-logtostderr", "--alsologtostderr=true", "-log_dir=/var/log",
                               "--stderrthreshold=INFO", "--log-file=/x"}) {
    const auto parsed = options({harmless});
    ASSERT_EQ(parsed.warnings.size(), 1U) << harmless;
    EXPECT_NE(parsed.warnings[0].find("has no effect: the log always goes to standard error"),
              std::string::npos)
        << parsed.warnings[0];
  }
  const std::map<std::string, std::string> refused = {
      {"-subnet-dir=/run", "in the folder networks beside --subnet-file"},
      {"-remote=10.0.0.1:8888", "each host asks the store itself: --etcd-endpoints"},
      {"--listen=:8888", "flannel has had no server since v0.7"},
      {"--interface=eth0", "--interface is called --iface"},
      {"--subnet-len=24", "flannelctl config set"},
      {"--vni=1", "flannelctl config set"}};
  for (const auto& [flag, words] : refused) {
    EXPECT_NE(mistake({flag}).find(words), std::string::npos) << mistake({flag});
    EXPECT_EQ(mistake({flag}).find("did you mean"), std::string::npos) << mistake({flag});
  }
}

TEST(OptionsTest, VariablesWithOurPrefixThatAreNotReadCauseAWarning) {
  const Words set = {"FLANNELD_ETCD_ENDPOINT",
                     "FLANNELD_INTERFACE",
                     "FLANNELD_OPTIONS",
                     "FLANNELD_REMOTE",
                     "FLANNELD_VERSION",
                     "FLANNEL_ETCD",
                     "FLANNEL_ETCD_PREFIX",
                     "FLANNEL_OPTIONS",
                     "FLANNEL_SUBNET",
                     "FLANNEL_MTU",
                     "FLANNEL_NETWORK",
                     "FLANNEL_IPMASQ",
                     "PATH"};
  const auto nothing = [](const std::string&) -> const char* { return nullptr; };
  const auto parsed = parse_command_line(Words{"--etcd-prefix=/x"}, nothing, set);
  ASSERT_TRUE(parsed);
  const Words warnings = std::get<Options>(*parsed).warnings;
  ASSERT_EQ(warnings.size(), 5U);
  EXPECT_EQ(warnings[0],
            "FLANNELD_ETCD_ENDPOINT is not read, did you mean FLANNELD_ETCD_ENDPOINTS?");
  EXPECT_EQ(warnings[1], "FLANNELD_INTERFACE is not read, did you mean FLANNELD_IFACE?");
  EXPECT_NE(warnings[2].find("FLANNEL_OPTIONS has"), std::string::npos) << warnings[2];
  EXPECT_EQ(warnings[3].find("FLANNELD_REMOTE is not read: flannel has had no server"), 0U);
  EXPECT_EQ(warnings[4], "FLANNEL_ETCD is not read, did you mean FLANNELD_ETCD_ENDPOINTS?");
}

TEST(OptionsTest, MistakesAreErrorsThatNameTheWord) {
  EXPECT_EQ(mistake({"--ip-masq", "false"}).find("unexpected word \"false\""), 0U);
  EXPECT_EQ(mistake({"foo", "--version"}).find("unexpected word \"foo\""), 0U);
  EXPECT_EQ(mistake({"--", "foo"}).find("unexpected word \"foo\""), 0U);
  EXPECT_EQ(mistake({"--etcd-endpoint=x"}),
            "unknown flag \"--etcd-endpoint\", did you mean --etcd-endpoints?");
  EXPECT_EQ(mistake({}, {{"FLANNELD_HEALTHZ_PORT", "http"}}),
            "FLANNELD_HEALTHZ_PORT: \"http\" is not a whole number");
}

TEST(OptionsTest, ToBeAServiceOfConsulTakesConsulAndHealthPages) {
  EXPECT_NE(mistake({"--store=consul", "--consul-register"}).find("needs --healthz-port"),
            std::string::npos);
  EXPECT_TRUE(
      options({"--store=consul", "--consul-register", "--healthz-port=8081"}).consul_register);
  const Options other = options({"--store=memory", "--consul-register"});
  EXPECT_FALSE(other.consul_register);
  EXPECT_EQ(other.warnings,
            std::vector<std::string>{"--consul-register has no effect with --store=memory"});
}

TEST(OptionsTest, TheLogShowsWhatWasGivenButNotThePassword) {
  const Options given = options({"--etcd-username=u", "--etcd-password=hunter2", "--iface=eth0"},
                                {{"FLANNELD_SUBNET_FILE", "/s"}});
  EXPECT_EQ(given.given,
            "--etcd-username=u --etcd-password=(hidden) --iface=eth0 --subnet-file=/s");
  EXPECT_EQ(given.warnings.size(), 1U);
  EXPECT_EQ(given.store.password.text, "hunter2");
}

}  // namespace
}  // namespace flannel::options_test
