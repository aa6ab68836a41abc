// SPDX-License-Identifier: Apache-2.0
// One VNI on several ports: a host has a device for each port that its hosts still use.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include <fmt/format.h>

#include "plan/vxlan_device.h"
#include "support/agent_fixture.h"

namespace flannel::agent_port_test {
namespace {

using std::chrono::seconds;

std::string on_port(int port, const std::string& more = "") {
  return fmt::format(R"({{"Network":"10.5.0.0/16","Backend":{{"Type":"vxlan","Port":{}{}}}}})",
                     port, more);
}

std::string peer_on(int port) {
  return fmt::format(R"({{"PublicIP":"192.0.2.9","PublicIPv6":null,"BackendType":"vxlan",)"
                     R"("BackendData":{{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}},)"
                     R"("Backend":{{"Type":"vxlan","VNI":1,"Port":{}}}}})",
                     port);
}

class PortTest : public AgentTest {
 protected:
  // "flannel.1 8472, fl2.1 8473": the vxlan devices, by port.
  std::string devices() const {
    std::vector<Link> links = kernel_.state().links;
    std::ranges::stable_sort(
        links, {}, [](const Link& link) { return std::get<VxlanSettings>(link.kind).port; });
    std::string text;
    for (const Link& link : links) {
      const auto& vxlan = std::get<VxlanSettings>(link.kind);
      text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", link.name, vxlan.port,
                          vxlan.gbp ? " gbp" : "");
    }
    return text;
  }
  std::string way_to_peer() const {
    for (const Route& route : kernel_.state().routes) {
      if (to_string(route.to) == "10.5.9.0/24") return route.link;
    }
    return "none";
  }
  int announced_port() const {
    const auto there = store_->snapshot(kPrefix);
    const auto own = std::ranges::find(there.records, own_key(), &Record::key);
    return decode_lease_value(own->value)->backend->port;
  }
  // Returns the changes in the kernel since the last call that lose packets.
  std::string lossy_changes() {
    const std::string done = kernel_.take_log();
    std::string lossy;
    std::istringstream lines(done);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("recreate") || line.starts_with("remove route")) lossy += line + "\n";
    }
    return lossy;
  }
  void wait(std::chrono::milliseconds time) {
    loop_.advance(time);
    loop_.run_until_idle();
  }
  void wait_until_unused_are_gone() { wait(Dataplanes::kLinger + seconds(1)); }
  void restart(const std::string& config) {
    agent_.reset();
    store_->put_config(kPrefix, config);
    kernel_.take_log();
    start_agent();
  }
};

TEST_F(PortTest, AnotherPortHasADeviceBesideTheOldOneUntilNoHostUsesThat) {
  put("10.5.9.0-24", peer_on(8472));
  configure(on_port(8472));
  const std::string subnet = own_key();
  kernel_.take_log();
  configure(on_port(8473));
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473");
  EXPECT_EQ(announced_port(), 8473);
  EXPECT_EQ(way_to_peer(), "flannel.1") << "the peer has not switched";
  put("10.5.9.0-24", peer_on(8473));
  EXPECT_EQ(way_to_peer(), "fl2.1");
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473") << "the peer may send to the old one still";
  EXPECT_EQ(lossy_changes(), "");
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "fl2.1 8473");
  EXPECT_EQ(own_key(), subnet);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_TRUE(agent_->ready());
}

TEST_F(PortTest, TheWayBackIsToTheNameOfUpstream) {
  put("10.5.9.0-24", peer_on(8473));
  configure(on_port(8472));
  configure(on_port(8473));
  wait_until_unused_are_gone();
  ASSERT_EQ(devices(), "fl2.1 8473");
  kernel_.take_log();
  configure(on_port(8472));
  put("10.5.9.0-24", peer_on(8472));
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473");
  EXPECT_EQ(way_to_peer(), "flannel.1");
  EXPECT_EQ(lossy_changes(), "");
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "flannel.1 8472");
}

TEST_F(PortTest, TheWayBackBeforeTheOldDeviceIsGoneTakesThat) {
  configure(on_port(8472));
  configure(on_port(8473));
  kernel_.take_log();
  configure(on_port(8472));
  EXPECT_EQ(announced_port(), 8472);
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473");
  EXPECT_EQ(lossy_changes(), "");
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "flannel.1 8472");
}

TEST_F(PortTest, TheDevicesOfAHostHaveOneMac) {
  configure(on_port(8472));
  configure(on_port(8473));
  const auto& links = kernel_.state().links;
  ASSERT_EQ(links.size(), 2U);
  EXPECT_EQ(std::get<VxlanSettings>(links[0].kind).mac, std::get<VxlanSettings>(links[1].kind).mac);
}

TEST_F(PortTest, EachFamilyHasADeviceForEachPort) {
  add_ipv6();
  start_agent();
  configure(kVxlanOfBoth);
  const std::string text = kVxlanOfBoth;
  configure(std::regex_replace(text, std::regex("\"vxlan\""), R"("vxlan","Port":8473)"));
  EXPECT_EQ(devices(), "flannel-v6.1 8472, flannel.1 8472, fl2-v6.1 8473, fl2.1 8473");
  EXPECT_TRUE(agent_->ready());
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "fl2-v6.1 8473, fl2.1 8473");
}

TEST_F(PortTest, ARestartInTheMidstOfAChangeKeepsEachDevice) {
  put("10.5.9.0-24", peer_on(8472));
  configure(on_port(8472));
  configure(on_port(8473));
  restart(on_port(8473));
  EXPECT_EQ(kernel_.take_log(), "");
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473");
  EXPECT_EQ(way_to_peer(), "flannel.1");
  put("10.5.9.0-24", peer_on(8473));
  EXPECT_EQ(way_to_peer(), "fl2.1");
  EXPECT_EQ(lossy_changes(), "");
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "fl2.1 8473");
  restart(on_port(8473));
  EXPECT_EQ(kernel_.take_log(), "") << "the name stays";
  EXPECT_EQ(devices(), "fl2.1 8473");
}

TEST_F(PortTest, AHostThatMissedAChangeReceivesOnTheOldPortForAMinute) {
  put("10.5.9.0-24", peer_on(8473));
  configure(on_port(8472));
  restart(on_port(8473));
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473");
  EXPECT_EQ(announced_port(), 8473);
  EXPECT_EQ(lossy_changes(), "");
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "fl2.1 8473");
}

// After a reboot no device is there, and the lease of before says what peers send to.
TEST_F(PortTest, AHostThatRebootedDuringAChangeHasBothDevices) {
  configure(on_port(8472));
  agent_.reset();
  kernel_.delete_device("flannel.1");
  boot_ = 2;
  restart(on_port(8473));
  EXPECT_EQ(devices(), "fl2.1 8472, flannel.1 8473");
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "flannel.1 8473");
}

// Another network was configured while the daemon was down, so the address of the device does not
// show whose device it is.
TEST_F(PortTest, ADeviceWithOurVniAndPortKeepsItsNameWhateverItsAddress) {
  configure(on_port(8472));
  configure(on_port(8473));
  wait_until_unused_are_gone();
  kernel_.erase("addr 10.5.1.0/32 dev fl2.1");
  restart(on_port(8473));
  EXPECT_EQ(devices(), "fl2.1 8473");
  EXPECT_TRUE(agent_->ready());
}

TEST_F(PortTest, ADeviceOfAnotherNetworkDoesNotMoveUsToAnotherName) {
  configure(on_port(8472));
  kernel_.erase("addr 10.5.1.0/32 dev flannel.1");
  restart(on_port(8473));
  EXPECT_NE(devices().find("flannel.1 8473"), std::string::npos) << devices();
}

TEST_F(PortTest, SeveralPortsOneAfterAnotherHaveADeviceEach) {
  put("10.5.9.0-24", peer_on(8472));
  configure(on_port(8472));
  kernel_.take_log();
  for (const int port : {8473, 8474, 8475})
    configure(on_port(port));
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473, fl3.1 8474, fl4.1 8475");
  for (const int port : {8473, 8474, 8475})
    put("10.5.9.0-24", peer_on(port));
  EXPECT_EQ(way_to_peer(), "fl4.1");
  EXPECT_EQ(lossy_changes(), "");
  wait_until_unused_are_gone();
  EXPECT_EQ(devices(), "fl4.1 8475");
}

TEST_F(PortTest, TheTenthPortOfAMinuteWaitsForADeviceToGo) {
  for (int port = 8472; port < 8472 + kMostVxlanNumber; ++port)
    configure(on_port(port));
  const int last = announced_port();
  configure(on_port(9000));
  EXPECT_EQ(announced_port(), last);
  EXPECT_TRUE(only_problem().starts_with(
      "config: this host has 9 backends with VNI 1 already; the running one stays in force"))
      << only_problem();
  EXPECT_TRUE(agent_->ready());
  wait_until_unused_are_gone();
  wait(seconds(11));
  EXPECT_EQ(announced_port(), 9000);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(PortTest, APeerThatAnnouncesAnotherPortFirstIsReachedThere) {
  configure(on_port(8472));
  put("10.5.9.0-24", peer_on(8473));
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473");
  EXPECT_EQ(way_to_peer(), "fl2.1");
  EXPECT_EQ(announced_port(), 8472);
  configure(on_port(8473));
  EXPECT_EQ(announced_port(), 8473);
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473");
}

TEST_F(PortTest, GbpComesWithAnotherPortInADeviceOfItsOwn) {
  put("10.5.9.0-24", peer_on(8472));
  configure(on_port(8472));
  kernel_.take_log();
  configure(on_port(8473, R"(,"GBP":true)"));
  EXPECT_EQ(devices(), "flannel.1 8472, fl2.1 8473 gbp");
  EXPECT_EQ(lossy_changes(), "");
}

TEST_F(PortTest, GbpIsOnAllDevicesOfAPortOrOnNone) {
  put("10.5.9.0-24", peer_on(8472));
  configure(on_port(8472));
  configure(on_port(8472, R"(,"GBP":true)"));
  EXPECT_EQ(devices(), "flannel.1 8472 gbp");
  EXPECT_EQ(way_to_peer(), "flannel.1") << "the routes by the new device are there";
  configure(on_port(8472, R"(,"VNI":7)"));
  EXPECT_EQ(devices(), "flannel.1 8472, flannel.7 8472");
  EXPECT_EQ(way_to_peer(), "flannel.1");
  EXPECT_TRUE(agent_->ready());
}

TEST_F(PortTest, ADeviceForPeersOnOurPortHasGbpAsOurs) {
  put("10.5.9.0-24", peer_on(8472));
  configure(on_port(8472, R"(,"VNI":7,"GBP":true)"));
  EXPECT_EQ(devices(), "flannel.1 8472 gbp, flannel.7 8472 gbp");
}

}  // namespace
}  // namespace flannel::agent_port_test
