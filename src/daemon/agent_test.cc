// SPDX-License-Identifier: Apache-2.0
#include "daemon/agent.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "support/agent_fixture.h"

namespace flannel::agent_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_F(AgentTest, AUdpPacketPathGetsADeviceAndTheTableOfPeers) {
  put("10.5.9.0-24", R"({"PublicIP":"192.0.2.9"})");
  configure(kUdp);
  EXPECT_EQ(ready_, 1);
  const Lease own = *agent_->network()->keeper().lease();
  EXPECT_EQ(dump(kernel_.read(agent_->network()->overlay().scope()).value()),
            "link flannel3 tun txqueuelen 500 mtu 1472 up\n"
            "addr " +
                to_string(own.subnet.identity().base) + "/16 dev flannel3\n");
  EXPECT_EQ(path_.settings.local, (std::vector<IpEndpoint>{{IpAddress::v4(192, 0, 2, 1), 8285}}));
  ASSERT_EQ(path_.tables.size(), 1U);
  const OwnSubnet part{.subnet = own.subnet.identity(),
                       .tunnel_address = own.subnet.identity().base,
                       .network = *IpPrefix::parse_v4("10.5.0.0/16")};
  EXPECT_EQ(path_.tables[0]->host(), (OverlayHost{.v4 = part, .mtu = 1472}));
  EXPECT_EQ(*path_.tables[0]->find(IpAddress::v4(10, 5, 9, 1)),
            (IpEndpoint{IpAddress::v4(192, 0, 2, 9), 8285}));
  EXPECT_EQ(path_.tables[0]->find(own.subnet.identity().base), nullptr) << "we are no peer of ours";
}

TEST_F(AgentTest, AUdpPacketPathFollowsThePeers) {
  configure(kUdp);
  put("10.5.9.0-24", R"({"PublicIP":"192.0.2.9"})");
  put("10.5.8.0-24", R"({"PublicIP":"192.0.2.8"})");
  ASSERT_EQ(path_.tables.size(), 3U);
  EXPECT_EQ(path_.tables.back()->size(), 2U);
  remove("10.5.9.0-24");
  loop_.advance(seconds(2));
  EXPECT_EQ(path_.tables.back()->find(IpAddress::v4(10, 5, 9, 1)), nullptr);
}

TEST_F(AgentTest, APacketPathThatCannotBeOpenedIsFatal) {
  path_fails_ = "open UDP port 192.0.2.1:8285: Address already in use";
  configure(kUdp);
  EXPECT_EQ(fatal_, path_fails_);
}

TEST_F(AgentTest, ANetworkOfAnotherDaemonOfThisHostIsLeftAlone) {
  taken_ = "10.5.0.0/16";
  configure(kHostGw);
  EXPECT_EQ(fatal_, "10.5.0.0/16 is taken");
  EXPECT_EQ(agent_->network(), nullptr) << "and no lease is asked for";
}

TEST_F(AgentTest, ADeviceOfAnotherDaemonOfThisHostIsLeftAlone) {
  taken_ = "flannel.1";
  configure(kVxlan);
  EXPECT_EQ(fatal_, "flannel.1 is taken");
}

TEST_F(AgentTest, AUdpPortOfAnotherDaemonOfThisHostIsLeftAlone) {
  taken_ = "UDP port 8285";
  configure(kUdp);
  EXPECT_EQ(fatal_, "UDP port 8285 is taken");
  EXPECT_EQ(path_.settings, PacketPathSettings{}) << "and not opened";
}

TEST_F(AgentTest, DirectRoutingFollowsTheRouteToAPeer) {
  host_.lookup_route = [this](IpAddress) {
    return Result<RouteLookup>(RouteLookup{.interface_index = 2, .source = {}, .gateway = router_});
  };
  put("10.5.9.0-24",
      R"({"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}})");
  configure(R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}})");
  const auto kernel = [this] {
    return dump(kernel_.read(agent_->network()->overlay().scope()).value());
  };
  EXPECT_NE(kernel().find("10.5.9.0/24 via 192.0.2.9 dev eth0"), std::string::npos) << kernel();
  router_ = IpAddress::v4(192, 0, 2, 254);
  agent_->check_underlay();
  loop_.run_until_idle();
  EXPECT_NE(kernel().find("10.5.9.0/24 via 10.5.9.0 dev flannel.1"), std::string::npos) << kernel();
}

// The kernel takes no route by eth0 via an address that is on the link of eth1.
TEST_F(AgentTest, DirectRoutingIsForTheLinkOfTheUnderlayAlone) {
  host_.lookup_route = [](IpAddress) {
    return Result<RouteLookup>(RouteLookup{.interface_index = 3, .source = {}, .gateway = {}});
  };
  put("10.5.9.0-24",
      R"({"PublicIP":"198.51.100.9","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}})");
  configure(R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}})");
  const std::string kernel = dump(kernel_.read(agent_->network()->overlay().scope()).value());
  EXPECT_NE(kernel.find("10.5.9.0/24 via 10.5.9.0 dev flannel.1"), std::string::npos) << kernel;
}

TEST_F(AgentTest, APacketPathThatIsDownIsReported) {
  configure(kUdp);
  path_.trouble = "flannel3 was deleted";
  path_.on_state();
  EXPECT_EQ(only_problem(),
            "packet path: flannel3 was deleted; remedy: remove the reason; flanneld tries again by "
            "itself");
}

TEST_F(AgentTest, LeasesASubnetProgramsTheDeviceAndWritesTheFile) {
  configure(kVxlan);
  ASSERT_EQ(ready_, 1);
  EXPECT_EQ(own_key(), "10.5.1.0-24");
  EXPECT_EQ(read_file(subnet_file()).value(),
            "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_MTU=1450\n"
            "FLANNEL_IPMASQ=false\n");
  EXPECT_NE(kernel_.dump().find("addr 10.5.1.0/32 dev flannel.1"), std::string::npos)
      << kernel_.dump();
}

TEST_F(AgentTest, APeerComesChangesAndGoes) {
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  put("10.5.9.0-24", peer_value("192.0.2.10"));
  loop_.advance(seconds(2));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.10 dev eth0\n");
  remove("10.5.9.0-24");
  loop_.advance(seconds(2));
  EXPECT_EQ(kernel_.dump(), "");
}

TEST_F(AgentTest, ABadRecordChangesNothingForTheOthers) {
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  put("not-a-subnet", "{}");
  put("10.5.10.0-24", "no json");
  put("10.5.11.0-24", peer_value("192.0.2.11", "vxlan"));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  EXPECT_EQ(agent_->network()->table().quarantined().size(), 2U);
  EXPECT_EQ(agent_->network()->overlay().unreachable().named().count("10.5.11.0/24"), 1U);
  put("10.5.11.0-24", peer_value("192.0.2.11"));
  EXPECT_EQ(agent_->network()->overlay().unreachable().named().size(), 0U);
  EXPECT_EQ(agent_->network()->overlay().peers(), 2U);
}

TEST_F(AgentTest, WhenAPeerBecomesUnreachableItsRouteGoes) {
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  put("10.5.9.0-24", peer_value("192.0.2.9", "vxlan"));
  EXPECT_EQ(kernel_.dump(), "");
}

TEST_F(AgentTest, RoutesStayWhileTheStoreIsAwayAndFollowWhenItIsBack) {
  configure(kHostGw);
  put("10.5.8.0-24", peer_value("192.0.2.8"));
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  store_->set_reachable(false);
  store_->disconnect_watches();
  loop_.advance(hours(2));
  EXPECT_EQ(kernel_.dump(),
            "route 10.5.8.0/24 via 192.0.2.8 dev eth0\nroute 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  EXPECT_NE(only_problem().find("store: "), std::string::npos);
  store_->remove(kPrefix, "10.5.8.0-24");
  store_->compact();
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, ALostPositionIsListedAgain) {
  configure(kHostGw);
  store_->lose_positions();
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  loop_.advance(seconds(1));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  EXPECT_EQ(agent_->follower().counters().positions_lost, 1U);
}

TEST_F(AgentTest, ARefreshListsTheStoreAtOnceAndRepairsTheKernel) {
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  store_->set_reachable(false);
  store_->disconnect_watches();
  loop_.advance(hours(1));
  store_->set_reachable(true);
  kernel_.erase("route 10.5.9.0/24");
  host_.interfaces[0].carrier = false;
  agent_->refresh();
  loop_.advance(milliseconds(150));  // the store would be tried only seconds later
  EXPECT_TRUE(agent_->follower().connected());
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  EXPECT_NE(only_problem().find("underlay: "), std::string::npos) << only_problem();
}

TEST_F(AgentTest, ARefreshBeforeThereIsAConfigurationChangesNothing) {
  agent_->refresh();
  loop_.run_until_idle();
  configure(kHostGw);
  EXPECT_EQ(ready_, 1);
}

TEST_F(AgentTest, ABlackholeRouteIsKeptIfAskedForAndGoesWithTheNextStartWithout) {
  ip_blackhole_route_ = true;
  start_agent();
  configure(kHostGw);
  const std::string own =
      "blackhole " + to_string(agent_->network()->keeper().lease()->subnet.identity());
  EXPECT_EQ(kernel_.dump(), own + "\n");
  kernel_.erase(own);
  agent_->suspect_kernel();
  loop_.advance(seconds(1));
  EXPECT_EQ(kernel_.dump(), own + "\n");
  ip_blackhole_route_ = false;
  start_agent();
  EXPECT_EQ(kernel_.dump(), "");
}

// As etcd started with an empty data directory: who is not in it has not left the network.
TEST_F(AgentTest, PeersStayWhenTheStoreHasLostAllUntilItHasAConfigurationAgain) {
  configure(kHostGw);
  const std::string own = own_key();
  put("10.5.8.0-24", peer_value("192.0.2.8"));
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  store_->set_reachable(false);
  store_->disconnect_watches();
  store_->remove(kPrefix, own);
  store_->remove(kPrefix, "10.5.8.0-24");
  store_->remove(kPrefix, "10.5.9.0-24");
  store_->remove_config(kPrefix);
  store_->compact();
  store_->set_reachable(true);
  loop_.advance(seconds(30));
  EXPECT_EQ(kernel_.dump(),
            "route 10.5.8.0/24 via 192.0.2.8 dev eth0\nroute 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  ASSERT_EQ(problems().size(), 2U);
  EXPECT_NE(problems()[0].find("gone from the store"), std::string::npos);
  EXPECT_EQ(own_key(), own);
  put("10.5.9.0-24", peer_value("192.0.2.99"));
  configure(kHostGw);
  loop_.advance(minutes(2));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.99 dev eth0\n");
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, ARestartKeepsTheSubnetAndChangesNothing) {
  configure(kVxlan);
  put("10.5.9.0-24",
      R"({"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:09"}})");
  const std::string before = kernel_.dump();
  const std::string key = own_key();
  kernel_.take_log();
  start_agent();
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(kernel_.dump(), before);
  EXPECT_EQ(kernel_.take_log(), "");
}

TEST_F(AgentTest, ObjectsThatAnEarlierProcessLeftAreRemovedAtStart) {
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  agent_.reset();
  store_->remove(kPrefix, "10.5.9.0-24");
  start_agent();
  EXPECT_EQ(kernel_.dump(), "");
}

TEST_F(AgentTest, AForeignDeletionIsRepairedAfterTheNotification) {
  configure(kHostGw);
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  kernel_.erase("route 10.5.9.0/24");
  agent_->suspect_kernel();
  loop_.advance(seconds(1));
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
}

TEST_F(AgentTest, AnUnderlayThatIsGoneIsReported) {
  configure(kHostGw);
  agent_->check_underlay();
  EXPECT_EQ(problems(), std::vector<std::string>{});
  host_.interfaces.clear();
  agent_->check_underlay();
  EXPECT_NE(only_problem().find("underlay: "), std::string::npos) << only_problem();
  host_ = host();
  agent_->check_underlay();
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

// The kernel reports the interface; the default route may return later.
TEST_F(AgentTest, AnUnderlayWithAProblemIsCheckedAgainUntilThatIsOver) {
  configure(kHostGw);
  host_.default_routes.clear();
  agent_->check_underlay();
  EXPECT_NE(only_problem().find("default route"), std::string::npos) << only_problem();
  host_ = host();
  loop_.advance(seconds(10));
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, ADeviceThatGoesAndCannotBePutBackEndsReadiness) {
  configure(kVxlan);
  EXPECT_TRUE(agent_->ready());
  kernel_.delete_device("flannel.1");
  kernel_.refuse("link flannel.1", {ErrorKind::denied, "create flannel.1: not permitted"});
  agent_->suspect_kernel();
  loop_.advance(seconds(5));
  EXPECT_FALSE(agent_->ready());
  kernel_.heal();
  loop_.advance(seconds(60));
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(ready_, 1) << "READY=1 is sent once";
}

TEST_F(AgentTest, ADeviceThatCannotBeMadeIsReportedAndRetried) {
  kernel_.refuse("link flannel.1", {ErrorKind::denied, "create flannel.1: not permitted"});
  configure(kVxlan);
  EXPECT_EQ(ready_, 0);
  EXPECT_FALSE(problems().empty());
  EXPECT_FALSE(std::filesystem::exists(subnet_file()));
  kernel_.heal();
  loop_.advance(seconds(60));
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, ASubnetFileThatCannotBeWrittenKeepsUsUnready) {
  ASSERT_TRUE(write_file_atomically(folder_ + "/run", "a file in the way", 0644));
  configure(kHostGw);
  EXPECT_EQ(ready_, 0);
  EXPECT_NE(only_problem().find("subnet file: "), std::string::npos) << only_problem();
  std::filesystem::remove(folder_ + "/run");
  loop_.advance(seconds(10));
  EXPECT_EQ(ready_, 1);
}

TEST_F(AgentTest, ADirectoryInPlaceOfTheSubnetFileIsReportedWithTheRemedy) {
  std::filesystem::create_directories(subnet_file());
  configure(kHostGw);
  EXPECT_EQ(ready_, 0);
  EXPECT_EQ(only_problem(), "subnet file: write " + subnet_file() +
                                ": it is a directory; remove it, or name another file (a "
                                "container engine makes one where the file to mount is missing); "
                                "remedy: --subnet-file= can name a file elsewhere");
  std::filesystem::remove(subnet_file());
  loop_.advance(seconds(10));
  EXPECT_EQ(ready_, 1);
}

}  // namespace
}  // namespace flannel::agent_test
