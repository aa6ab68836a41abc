// SPDX-License-Identifier: Apache-2.0
// What `config set` and `config check` say about hosts that run.
#include <fmt/format.h>

#include "backend/udp.h"
#include "backend/vxlan.h"
#include "core/announced_backend.h"
#include "support/ctl_fixture.h"

namespace flannel::config_change_commands_test {
namespace {

constexpr const char* kUdp = R"({"Network":"10.5.0.0/16"})";
constexpr const char* kVni2 = R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":2}})";
constexpr const char* kOtherNetwork = R"({"Network":"10.6.0.0/16","Backend":{"Type":"vxlan"}})";
constexpr const char* kOtherPort =
    R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Port":4789}})";

// The lease of host 192.0.2.`host`; `node` 0: of another flannel.
std::string value(int host, int node, const std::string& members = "") {
  const std::string tag = node == 0 ? "" : fmt::format(R"(,"NodeID":"{:032x}/00000001")", node);
  return fmt::format(R"({{"PublicIP":"192.0.2.{}"{}{}}})", host, members, tag);
}
std::string vxlan(int host, int node, int vni = 1) {
  return value(host, node,
               fmt::format(R"(,"BackendType":"vxlan","BackendData":{{"VNI":{},"VtepMAC":)"
                           R"("02:00:00:00:00:{:02x}"}})",
                           vni, host));
}
std::string after(const std::string& text, const std::string& line) {
  const auto at = text.find(line);
  return at == std::string::npos ? text : text.substr(at);
}

TEST_F(CtlTest, AnotherBackendIsMadeBesideTheOldOne) {
  ctl({"config", "set", kUdp});
  lease("10.5.7.0-24", value(7, 1));
  const std::string plan =
      "Each flanneld of this release follows as soon as it sees this:\n"
      "  IPv4     10.5.0.0/16 stays\n"
      "  backend  vxlan (VNI 1, Port 8472) is added beside it, and udp (Port 8285) is retired when "
      "no lease announces it any more\n"
      "  mtu      new containers get 1450 in place of 1472; those that run keep theirs\n";
  for (const char* command : {"check", "set"}) {
    const Said said = ctl({"config", command, kVxlan});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_EQ(said.err, "");
    EXPECT_EQ(after(said.out, "Each"), plan) << command;
    EXPECT_TRUE(said.out.starts_with("network    10.5.0.0/16\n"));
  }
  EXPECT_EQ(ctl({"config", "get"}).out, std::string(kVxlan) + "\n");
  EXPECT_EQ(ctl({"config", "check"}).out.find("Each"), std::string::npos) << "it is the stored one";
}

TEST_F(CtlTest, EachChangeIsASentence) {
  const auto said = [&](const std::string& before, const std::string& next) {
    store->put_config(kPrefix, before);
    return ctl({"config", "check", next}).out;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos ? "" : text;
  };
  const std::string both =
      R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48",)"
      R"("Backend":{"Type":"vxlan"}})";
  EXPECT_EQ(has(said(kVxlan, both), "\n  IPv6     fd00::/48 is added: "), "");
  EXPECT_EQ(has(said(both, kVxlan), "\n  IPv6     fd00::/48 is retired: "), "");
  EXPECT_EQ(has(said(kVxlan, kOtherNetwork), "10.5.0.0/16 moves to 10.6.0.0/16\n"), "");
  EXPECT_EQ(has(said(kUdp, R"({"Network":"10.0.0.0/8"})"),
                "10.5.0.0/16 grows to 10.0.0.0/8; new leases are /24 from 10.0.1.0 to "
                "10.255.255.0, those that fit"),
            "");
  EXPECT_EQ(has(said(kUdp, R"({"Network":"10.5.0.0/17"})"), "shrinks to 10.5.0.0/17; new"), "");
  EXPECT_EQ(has(said(kUdp, R"({"Network":"10.5.0.0/16","SubnetLen":26})"),
                "10.5.0.0/16 stays; new leases are /26 from"),
            "");
  EXPECT_EQ(has(said(kVxlan, kVni2),
                "vxlan (VNI 2, Port 8472) is added beside it, and vxlan (VNI "
                "1, Port 8472) is retired"),
            "");
  EXPECT_EQ(said(kVxlan, kVni2).find("new containers get"), std::string::npos) << "the same MTU";
  EXPECT_EQ(has(said(kVxlan, kOtherPort),
                "vxlan (VNI 1, Port 4789) is added beside it, and vxlan (VNI "
                "1, Port 8472) is retired"),
            "");
  const std::string alloc = R"({"Network":"10.5.0.0/16","Backend":{"Type":"alloc"}})";
  EXPECT_EQ(has(said(alloc, kHostGw), "  backend  host-gw is added\n"), "");
  EXPECT_EQ(has(said(kHostGw, alloc),
                "host-gw is retired when no lease announces it any more; "
                "alloc carries no packets\n"),
            "");
  EXPECT_EQ(has(said(kVxlan, R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","GBP":true,)"
                             R"("MTU":1400}})"),
                "\n           MTU is 1400, it was that of the underlay\n"
                "           GBP is true, it was false; each host replaces its device, and"),
            "");
}

TEST_F(CtlTest, WhatHostsDoNotReadChangesNothing) {
  ctl({"config", "set", kVxlan});
  lease("10.5.7.0-24", vxlan(7, 0));
  const Said said =
      ctl({"config", "set", R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1}})"});
  EXPECT_EQ(said.code, 0);
  EXPECT_NE(said.out.find("Hosts that run have nothing to change.\n"), std::string::npos);
}

TEST_F(CtlTest, AChangeThatCutsOffHostsIsRefusedWithTheirNames) {
  ctl({"config", "set", kVxlan});
  for (int host = 1; host <= 23; ++host)
    lease(fmt::format("10.5.{}.0-24", host), vxlan(host, host));
  const Said refused = ctl({"config", "set", kOtherNetwork});
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(refused.out.starts_with("Each flanneld of this release follows")) << refused.out;
  EXPECT_TRUE(
      refused.err.starts_with("flannelctl: warning: 10.5.1.0/24 of 192.0.2.1 is cut off: "
                              "it is outside of the new network\n"))
      << refused.err;
  EXPECT_NE(refused.err.find("10.5.20.0/24 of 192.0.2.20 is"), std::string::npos);
  EXPECT_EQ(refused.err.find("10.5.21.0/24"), std::string::npos);
  EXPECT_TRUE(refused.err.ends_with(
      "flannelctl: warning: and 3 more are cut off\n"
      "flannelctl: not written: 23 leases are cut off; --force writes the configuration in spite "
      "of that\n"))
      << refused.err;
  EXPECT_EQ(ctl({"config", "get"}).out, std::string(kVxlan) + "\n");
  const Said check = ctl({"config", "check", kOtherNetwork});
  EXPECT_EQ(check.code, 0);
  EXPECT_NE(check.err.find("and 3 more are cut off"), std::string::npos);

  const Said forced = ctl({"config", "set", "--force", kOtherNetwork});
  EXPECT_EQ(forced.code, 0);
  EXPECT_NE(forced.err.find("and 3 more are cut off\n"), std::string::npos);
  EXPECT_EQ(ctl({"config", "get"}).out, std::string(kOtherNetwork) + "\n");
}

TEST_F(CtlTest, AHostOfAnotherFlannelIsCutOffByAnotherBackend) {
  ctl({"config", "set", kVxlan});
  lease("10.5.7.0-24", vxlan(7, 0));
  lease("10.5.8.0-24", vxlan(8, 8));
  const Said said = ctl({"config", "set", kHostGw});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(
      said.out.ends_with("1 lease has no node id: another flannel, which does not "
                         "follow.\n"))
      << said.out;
  EXPECT_EQ(said.err,
            "flannelctl: warning: 10.5.7.0/24 of 192.0.2.7 is cut off: it has no node id, so it is "
            "of another flannel, which does not follow and keeps vxlan (VNI 1, Port 8472) until it "
            "is restarted\n"
            "flannelctl: not written: 1 lease is cut off; --force writes the configuration in "
            "spite of that\n");
}

TEST_F(CtlTest, WhatAHostCannotHaveSideBySideIsRefused) {
  ctl({"config", "set", kVxlan});
  lease("10.5.7.0-24", vxlan(7, 7));
  for (const char* option : {R"("GBP":true)", R"("VNI":2,"GBP":true)"}) {
    const std::string next =
        R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan",)" + std::string(option) + "}}";
    const Said said = ctl({"config", "set", next});
    EXPECT_EQ(said.code, 1);
    EXPECT_EQ(said.err,
              "flannelctl: warning: each host makes its devices on Port 8472 anew, because Linux "
              "has GBP on all of them or on none, and packets are lost meanwhile; with another "
              "Port none are lost\n"
              "flannelctl: not written: packets are lost while hosts switch; --force writes the "
              "configuration in spite of that\n");
    EXPECT_EQ(ctl({"config", "check", next}).code, 0);
  }
  EXPECT_EQ(ctl({"config", "set", kOtherPort}).code, 0);
}

TEST_F(CtlTest, AConfigurationThatHostsCannotUseIsReplaced) {
  store->put_config(kPrefix, R"({"Network":"10.5.0.0/16","Backend":{"Type":"pigeon"}})");
  lease("10.5.7.0-24", vxlan(7, 7));
  const Said said = ctl({"config", "set", kVxlan});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("\nHosts cannot use the configuration in the store: Backend: unknown"),
            std::string::npos)
      << said.out;
}

TEST_F(CtlTest, ATextIsCheckedWithoutAStore) {
  const std::string path = testing::TempDir() + "no-such-file.db";
  const Said missing = ctl({"--store=sqlite:" + path, "config", "check", kVxlan});
  EXPECT_EQ(missing.code, 0);
  EXPECT_EQ(missing.err,
            "flannelctl: warning: --store is given more than once, the last value "
            "counts\n");
  store->put_config(kPrefix, kUdp);
  store->set_reachable(false);
  const Said said = ctl({"config", "check", kVxlan});
  store->set_reachable(true);
  EXPECT_EQ(said.code, 0);
  EXPECT_TRUE(said.out.ends_with("has 1500\n")) << said.out;
  EXPECT_TRUE(said.err.starts_with("flannelctl: not compared with a store: ")) << said.err;
}

TEST(BackendOptions, AbsentOnesAreThoseOfTheBackends) {
  const auto plane = [](const char* text) {
    return configured_backend(parse_network_config(text).value().config);
  };
  EXPECT_EQ(plane(kVxlan), (AnnouncedBackend{"vxlan", VxlanOptions().vni, VxlanOptions().port}));
  EXPECT_EQ(plane(kUdp), (AnnouncedBackend{"udp", 0, UdpOptions().port}));
}

}  // namespace
}  // namespace flannel::config_change_commands_test
