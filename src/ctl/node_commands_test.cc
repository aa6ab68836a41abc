// SPDX-License-Identifier: Apache-2.0
// node list and node remove.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/ctl_fixture.h"

namespace flannel::node_commands_test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kUpstream =
    R"({"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}})";

class NodeCommandsTest : public CtlTest {
 protected:
  NodeCommandsTest() { ctl({"config", "set", kVxlan}); }

  static std::string value(int host, const std::string& node, const std::string& more = "") {
    return fmt::format(R"({{"PublicIP":"192.0.2.{}","NodeID":"{:0<32}/00000001"{}}})", host, node,
                       more);
  }
  // The record of a host that has not renewed its lease of `life` since `age`.
  void aged(const std::string& key, const std::string& text, seconds age,
            seconds life = hours(24)) {
    store->put(kPrefix, key, text, life, BootClock::now() - age);
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> all;
    for (const Record& record : store->snapshot(kPrefix).records)
      all.push_back(record.key);
    return all;
  }
  std::string refusal(const Words& words) {
    const auto before = keys();
    Words all = {"node", "remove"};
    all.insert(all.end(), words.begin(), words.end());
    const Said said = ctl(all);
    EXPECT_EQ(said.code, 1) << said.out;
    EXPECT_EQ(keys(), before);
    return said.err;
  }
};

using Keys = std::vector<std::string>;

TEST_F(NodeCommandsTest, EachHostHasARow) {
  EXPECT_EQ(ctl({"node", "list"}).out, "NODE  PUBLIC-IP  SUBNET  BACKEND  EXPIRY  KIND\n");
  aged("10.5.7.0-24", value(7, "3f0c", R"(,"Backend":{"Type":"vxlan","VNI":1,"Port":8472})"),
       minutes(30));
  aged("10.5.9.0-24", kUpstream, seconds(0), minutes(90) + seconds(30));
  store->put(kPrefix, "10.5.11.0-24", R"({"PublicIP":"192.0.2.11"})");
  EXPECT_EQ(
      ctl({"node", "list"}).out,
      "NODE      PUBLIC-IP   SUBNET        BACKEND                   EXPIRY       KIND\n"
      "3f0c0000  192.0.2.7   10.5.7.0/24   vxlan (VNI 1, Port 8472)  in 23 h      flannel-cpp\n"
      "-         192.0.2.9   10.5.9.0/24   vxlan (VNI 1, Port 8472)  in 90 min    another flannel\n"
      "-         192.0.2.11  10.5.11.0/24  -                         reservation  another flannel "
      "or a reservation\n");
}

TEST_F(NodeCommandsTest, AHostWithTwoRecordsHasOneRow) {
  lease("10.5.7.0-24", value(7, "3f0c"));
  lease("10.5.7.0-24&fd00:0:0:7::-64", value(7, "3f0c", R"(,"PublicIPv6":"2001:db8::7")"));
  lease("10.5.8.0-24", value(8, "3f0c"));  // the same boot: its address has changed
  const auto json = nlohmann::json::parse(ctl({"node", "list", "--json"}).out);
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0]["public_ip"], "192.0.2.8") << "of the record that was written last";
  EXPECT_EQ(json[0]["subnets"].size(), 3U);
}

TEST_F(NodeCommandsTest, ACopyOfAHostHasARowOfItsOwn) {
  lease("10.5.7.0-24", value(7, "3f0c"));
  lease("10.5.8.0-24",
        R"({"PublicIP":"192.0.2.8","NodeID":"3f0c0000000000000000000000000000/00000002"})");
  EXPECT_EQ(nlohmann::json::parse(ctl({"node", "list", "--json"}).out).size(), 2U);
  EXPECT_EQ(
      refusal({"3f0c", "--force"}),
      "flannelctl: 3f0c names 2 hosts, so name one by its subnet: 192.0.2.7 with 10.5.7.0/24; "
      "192.0.2.8 with 10.5.8.0/24\n");
  EXPECT_EQ(ctl({"node", "remove", "10.5.8.0/24", "--force"}).code, 0);
  EXPECT_EQ(keys(), Keys{"10.5.7.0-24"});
}

TEST_F(NodeCommandsTest, ShortNodeIdsAreLongEnoughToDiffer) {
  lease("10.5.7.0-24", value(7, "3f0c00000001"));
  lease("10.5.8.0-24", value(8, "3f0c00000002"));
  const std::string out = ctl({"node", "list"}).out;
  EXPECT_NE(out.find("\n3f0c00000001  192.0.2.7"), std::string::npos) << out;
  EXPECT_NE(out.find("\n3f0c00000002  192.0.2.8"), std::string::npos) << out;
}

TEST_F(NodeCommandsTest, JsonHasAllOfAHost) {
  aged("10.5.7.0-24", value(7, "3f0c", R"(,"Backend":{"Type":"host-gw"})"), minutes(30));
  const auto json = nlohmann::json::parse(ctl({"node", "list", "--json"}).out);
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0]["node_id"], "3f0c0000000000000000000000000000");
  EXPECT_EQ(json[0]["public_ip"], "192.0.2.7");
  EXPECT_TRUE(json[0]["public_ipv6"].is_null());
  EXPECT_EQ(json[0]["subnets"], nlohmann::json::array({"10.5.7.0/24"}));
  EXPECT_EQ(json[0]["backend"], nlohmann::json({{"type", "host-gw"}}));
  EXPECT_NEAR(json[0]["expires_in_s"].get<double>(), 84600, 60);
  EXPECT_EQ(json[0]["reservation"], false);
  EXPECT_EQ(json[0]["kind"], "flannel-cpp");
}

TEST_F(NodeCommandsTest, RecordsThatAreNoLeasesAreCounted) {
  lease("10.5.7.0-24", "no lease");
  EXPECT_EQ(ctl({"node", "list"}).err,
            "flannelctl: 1 more cannot be read; `flannelctl leases --bad` says which and why\n");
}

TEST_F(NodeCommandsTest, ADeadHostIsRemovedByAnyOfItsNames) {
  for (const char* name :
       {"3f0c0000000000000000000000000000", "3f0c", "192.0.2.7", "10.5.7.0/24", "10.5.7.0-24"}) {
    aged("10.5.7.0-24", value(7, "3f0c"), hours(13));
    aged("10.5.8.0-24", value(8, "3f0d"), hours(13));
    const Said said = ctl({"node", "remove", name});
    EXPECT_EQ(said.out, "10.5.7.0/24 of 192.0.2.7 is removed\n") << name << ": " << said.err;
    EXPECT_EQ(keys(), Keys{"10.5.8.0-24"});
  }
}

TEST_F(NodeCommandsTest, AKeyNamesTheHostWithThisRecord) {
  aged("10.5.7.0-24", value(7, "3f0c"), hours(13));
  aged("10.5.7.0-24&fd00:0:0:7::-64", value(8, "3f0d"), hours(13));
  const Said said = ctl({"node", "remove", "10.5.7.0-24"});
  EXPECT_EQ(said.out, "10.5.7.0/24 of 192.0.2.7 is removed\n") << said.err;
  EXPECT_EQ(ctl({"node", "remove", "fd00:0:0:7::/64"}).code, 0) << "one of two subnets is enough";
  EXPECT_EQ(keys(), Keys());
}

TEST_F(NodeCommandsTest, TheFormerRecordOfAHostGoesToo) {
  aged("10.5.7.0-24", value(7, "3f0c"), hours(13));
  aged("10.5.7.0-24&fd00:0:0:7::-64", value(7, "3f0c"), hours(13));
  const Said said = ctl({"node", "remove", "10.5.7.0/24"});
  EXPECT_EQ(said.out,
            "10.5.7.0/24,fd00:0:0:7::/64 of 192.0.2.7 is removed\n"
            "10.5.7.0/24 of 192.0.2.7 is removed\n")
      << said.err;
  EXPECT_EQ(keys(), Keys());
}

TEST_F(NodeCommandsTest, ALeaseInTheFirstHalfOfItsLifeIsNotRemoved) {
  aged("10.5.7.0-24", value(7, "3f0c"), hours(11));
  EXPECT_EQ(refusal({"3f0c"}),
            "flannelctl: 10.5.7.0/24 of 192.0.2.7 is not removed: it was renewed 11 h ago, and a "
            "lease counts as abandoned after half of its 24 h; --force removes it\n");
  aged("10.5.7.0-24", value(7, "3f0c"), seconds(20), seconds(60));
  EXPECT_NE(refusal({"3f0c"}).find("after half of its 60 s"), std::string::npos)
      << "a short life is measured by its own length";
  EXPECT_EQ(ctl({"node", "remove", "3f0c", "--force"}).code, 0);
  EXPECT_EQ(keys(), Keys());
}

TEST_F(NodeCommandsTest, WhatShowsNoSignOfDeathIsNotRemoved) {
  store->put(kPrefix, "10.5.7.0-24", value(7, "3f0c"));
  EXPECT_NE(refusal({"3f0c"}).find("it is a reservation, which no host renews; --force"),
            std::string::npos);
  aged("10.5.9.0-24", kUpstream, hours(22));
  EXPECT_NE(refusal({"192.0.2.9"}).find("another flannel wrote it"), std::string::npos);
  EXPECT_EQ(ctl({"node", "remove", "192.0.2.9", "--force"}).code, 0);
}

TEST_F(NodeCommandsTest, TheHostOfARunningDaemonIsNotRemovedThere) {
  aged("10.5.7.0-24", value(7, "3f0c"), hours(13));
  read_host = [] {
    HostView view;
    view.interfaces = {{.index = 2, .name = "eth0", .mtu = 1500, .up = true, .addresses = {}}};
    view.interfaces[0].addresses = {{.ip = IpAddress::v4(192, 0, 2, 7), .bits = 24}};
    return Result<HostView>(view);
  };
  std::vector<int> running = {12};
  find_daemons = [&] { return Result<std::vector<int>>(running); };
  EXPECT_NE(refusal({"3f0c"}).find("it is this host, on which flanneld runs (process 12)"),
            std::string::npos);
  aged("10.5.8.0-24", value(8, "3f0d"), hours(13));
  EXPECT_EQ(ctl({"node", "remove", "3f0d"}).code, 0) << "another host";
  running.clear();
  EXPECT_EQ(ctl({"node", "remove", "3f0c"}).code, 0) << "the daemon is stopped";
}

TEST_F(NodeCommandsTest, AWrongNameRemovesNothing) {
  aged("10.5.7.0-24", value(7, "3f0c"), hours(13));
  EXPECT_EQ(refusal({"192.0.2.8"}),
            "flannelctl: no host has 192.0.2.8; `flannelctl node list` lists all\n");
  EXPECT_EQ(refusal({"3f0d"}), "flannelctl: no host has 3f0d; `flannelctl node list` lists all\n");
  for (const char* name : {"3f0", "here", "3F0C"}) {
    EXPECT_EQ(refusal({name}), fmt::format("flannelctl: {} is no node id, no public IP and no "
                                           "subnet\n",
                                           name));
  }
}

// The store changes while the command asks how long the record lives on.
TEST_F(NodeCommandsTest, ARecordThatIsWrittenMeanwhileStays) {
  aged("10.5.7.0-24", value(7, "3f0c"), hours(13));
  read_host = [this] {
    aged("10.5.7.0-24", value(7, "3f0c", R"(,"BackendType":"host-gw")"), hours(13));
    return Result<HostView>(HostView());
  };
  find_daemons = [] { return Result<std::vector<int>>(std::vector<int>()); };
  EXPECT_EQ(refusal({"3f0c"}),
            "flannelctl: 10.5.7.0/24 is not removed: another process has changed it just now\n");
}

}  // namespace
}  // namespace flannel::node_commands_test
