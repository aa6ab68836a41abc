// SPDX-License-Identifier: Apache-2.0
// The agent in front of a store that loses things, breaks off, or holds what others have written.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/agent.h"
#include "support/agent_fixture.h"

namespace flannel::agent_store_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_F(AgentTest, RoutesStayWhenAllLeasesGoAtOnceAndTheHostsPutThemBack) {
  configure(kHostGw);
  const std::string own = own_key();
  put("10.5.8.0-24", peer_value("192.0.2.8"));
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  const std::string before = kernel_.dump();
  kernel_.take_log();
  store_->remove(kPrefix, own);
  store_->remove(kPrefix, "10.5.8.0-24");
  store_->remove(kPrefix, "10.5.9.0-24");
  loop_.advance(seconds(1));
  EXPECT_EQ(kernel_.dump(), before);
  EXPECT_EQ(only_problem().substr(0, 34), "peers: 2 went from the store at on") << only_problem();
  put("10.5.8.0-24", peer_value("192.0.2.8"));
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  loop_.advance(minutes(2));
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_EQ(kernel_.dump(), before);
  EXPECT_EQ(kernel_.take_log(), "");
  EXPECT_EQ(own_key(), own);
}

TEST_F(AgentTest, PeersThatGoAndComeBackOneByOneDoNotFillTheLog) {
  configure(kHostGw);
  const auto peer = [](int host) { return "10.5." + std::to_string(host) + ".0-24"; };
  const auto put_all = [&] {
    for (int host = 10; host < 30; ++host)
      put(peer(host), peer_value("192.0.2." + std::to_string(host)));
  };
  put_all();
  int said = 0;
  log::capture([&](std::string_view) { ++said; });
  for (int host = 10; host < 30; ++host)
    remove(peer(host));
  EXPECT_EQ(said, 1) << "the number that grows is no news";
  put_all();
  log::capture({});
  EXPECT_EQ(said, 2) << "that it is over";
}

TEST_F(AgentTest, PeersThatASecondListLacksAreRemoved) {
  configure(kHostGw);
  for (int host = 10; host < 20; ++host) {
    const std::string n = std::to_string(host);
    put("10.5." + n + ".0-24", peer_value("192.0.2." + n));
  }
  store_->set_reachable(false);
  for (int host = 11; host < 20; ++host)
    store_->remove(kPrefix, "10.5." + std::to_string(host) + ".0-24");
  store_->compact();
  loop_.advance(hours(1));
  store_->set_reachable(true);
  loop_.advance(seconds(29));
  EXPECT_EQ(agent_->network()->overlay().peers(), 10U) << "one list is not enough, however late";
  loop_.advance(minutes(1));
  EXPECT_EQ(kernel_.dump(), "route 10.5.10.0/24 via 192.0.2.10 dev eth0\n");
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, ARecordWrittenAgainInTimeChangesNoRoute) {
  configure(kHostGw);
  put("10.5.8.0-24", peer_value("192.0.2.8"));
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  kernel_.take_log();
  for (const char* meanwhile : {"", "nonsense", R"({"PublicIP":"192.0.2.77"})"}) {
    if (*meanwhile == '\0') {
      remove("10.5.9.0-24");
    } else {
      put("10.5.9.0-24", meanwhile);
    }
    loop_.advance(milliseconds(700));
    put("10.5.9.0-24", peer_value("192.0.2.9"));
    loop_.advance(minutes(1));
    EXPECT_EQ(kernel_.take_log(), "") << meanwhile;
  }
}

TEST_F(AgentTest, NoMissingPeerIsRemovedWhileTheStoreIsUnreachable) {
  configure(kHostGw);
  put("10.5.8.0-24", peer_value("192.0.2.8"));
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  put("10.5.7.0-24", peer_value("192.0.2.7"));
  remove("10.5.8.0-24");
  remove("10.5.9.0-24");
  EXPECT_EQ(problems(), std::vector<std::string>{});
  store_->set_reachable(false);
  store_->disconnect_watches();
  store_->put(kPrefix, "10.5.9.0-24", peer_value("192.0.2.9"), {}, loop_.now());
  kernel_.take_log();
  loop_.advance(hours(1));
  EXPECT_EQ(agent_->network()->overlay().peers(), 3U);
  store_->set_reachable(true);
  loop_.advance(minutes(1));
  EXPECT_EQ(kernel_.take_log(), "remove route 10.5.8.0/24 via 192.0.2.8 dev eth0\n");
}

TEST_F(AgentTest, NoMissingPeerIsRemovedBeforeTheListThatShowsWhichAreBack) {
  configure(kHostGw);
  for (int net = 8; net < 208; ++net)  // their list waits for 0.8 s
    put("10.5." + std::to_string(net) + ".0-24", peer_value("192.0.2." + std::to_string(net)));
  loop_.advance(minutes(1));
  last_chance_ = true;
  remove("10.5.8.0-24");
  remove("10.5.9.0-24");
  loop_.advance(seconds(1));
  kernel_.take_log();
  store_->lose_positions();
  loop_.run_until_idle();
  store_->put(kPrefix, "10.5.9.0-24", peer_value("192.0.2.9"), {}, loop_.now());
  loop_.advance(milliseconds(700));
  EXPECT_TRUE(agent_->follower().connected());
  EXPECT_EQ(kernel_.take_log(), "") << "neither may go before the list";
  loop_.advance(minutes(1));
  EXPECT_EQ(kernel_.take_log(), "remove route 10.5.8.0/24 via 192.0.2.8 dev eth0\n");
}

TEST_F(AgentTest, OurPublicIPInTheLeaseOfAnotherNodeIsAnAlarmAndNoRoute) {
  configure(kHostGw);
  put("10.5.9.0-24", R"({"PublicIP":"192.0.2.1","BackendType":"host-gw","NodeID":")" +
                         std::string(32, 'a') + R"(/0000000b"})");
  EXPECT_EQ(only_problem(), "lease: 10.5.9.0-24: PublicIP 192.0.2.1 is our own, but node " +
                                std::string(32, 'a') +
                                "/0000000b wrote it; remedy: give one of the two hosts another "
                                "address; if that host is gone, delete "
                                "its record");
  EXPECT_EQ(kernel_.dump(), "");
  remove("10.5.9.0-24");
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, ACopyOfThisHostIsAnAlarmAndOtherwiseAPeer) {
  configure(kHostGw);
  NodeTag copy;
  copy.boot = 99;
  copy.id.bytes[0] = 7;
  put("10.5.9.0-24",
      R"({"PublicIP":"192.0.2.9","BackendType":"host-gw","NodeID":")" + to_string(copy) + "\"}");
  EXPECT_EQ(
      only_problem(),
      "lease: 192.0.2.9 at 10.5.9.0/24 has our node id: one of the two is a copy of the other, "
      "and has to take another id; remedy: if that host does not by itself: stop it, delete its "
      "node-id file, start it");
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  remove("10.5.9.0-24");
  loop_.advance(seconds(2));
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, WithRenumberATakenSubnetIsReplacedByAnother) {
  renumber_ = true;
  start_agent();
  configure(kHostGw);
  const std::string first = own_key();
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  put(first, peer_value("192.0.2.77"));
  loop_.advance(seconds(5));
  EXPECT_EQ(own_key(), "10.5.2.0-24");
  EXPECT_EQ(
      kernel_.dump(),
      "route 10.5.1.0/24 via 192.0.2.77 dev eth0\nroute 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
  EXPECT_NE(read_file(subnet_file()).value().find("FLANNEL_SUBNET=10.5.2.1/24"), std::string::npos);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, AStoreWhoseWatchesBreakAtOnceIsListedWithPauses) {
  configure(kHostGw);
  loop_.advance(minutes(1));
  const auto before = agent_->follower().counters();
  for (int i = 0; i < 600; ++i) {
    store_->disconnect_watches();
    loop_.advance(milliseconds(100));
  }
  const auto after = agent_->follower().counters();
  EXPECT_LE(after.snapshots - before.snapshots, 16U);
  EXPECT_FALSE(agent_->follower().connected());
  loop_.advance(seconds(20));
  EXPECT_TRUE(agent_->follower().connected()) << "a watch stands again";
}

TEST_F(AgentTest, RenewalsThatFailForHoursAreLoggedOnce) {
  configure(kHostGw);
  int said = 0;
  log::capture([&](std::string_view line) {
    if (line.starts_with("renewing the lease failed")) ++said;
  });
  for (const int outages : {1, 2}) {
    store_->set_reachable(false);
    store_->disconnect_watches();
    loop_.advance(hours(20));
    EXPECT_EQ(said, outages);
    store_->set_reachable(true);
    loop_.advance(minutes(1));
  }
  log::capture({});
}

TEST_F(AgentTest, FailedRenewalsOfANewLeaseAreLoggedToo) {
  configure(kHostGw);
  int said = 0;
  log::capture([&](std::string_view line) {
    EXPECT_EQ(line.find("Lease renewed"), std::string_view::npos) << line;
    if (!line.starts_with("renewing the lease failed")) return;
    ++said;
    store_->remove(kPrefix, own_key());  // before it is tried again
  });
  for (const int leases : {1, 2}) {
    loop_.advance(hours(1));
    store_->fail_next({ErrorKind::unavailable, "away"});
    loop_.advance(hours(8));
    EXPECT_EQ(said, leases);
  }
  log::capture({});
}

TEST_F(AgentTest, ALeaseThatIsNotRenewedByAReachableStoreIsAProblemFromHalfOfItsLife) {
  configure(kHostGw);
  int said = 0;
  log::capture([&](std::string_view line) {
    if (line.starts_with("the lease cannot be renewed")) ++said;
  });
  const auto renewals_fail = [this](Duration time, Duration step) {
    for (const TimePoint end = loop_.now() + time; loop_.now() < end; loop_.advance(step))
      store_->fail_next({ErrorKind::unavailable, "no stream"});
  };
  loop_.advance(hours(8) - minutes(1));
  renewals_fail(minutes(2), milliseconds(100));
  renewals_fail(hours(4) - minutes(2), seconds(10));
  EXPECT_EQ(problems(), std::vector<std::string>{});
  renewals_fail(minutes(2), seconds(10));
  EXPECT_TRUE(only_problem().starts_with(
      "lease: cannot be renewed, ends in 43140 s: no stream; remedy: give this host the right"))
      << only_problem();
  EXPECT_EQ(said, 1);
  store_->set_reachable(false);
  loop_.advance(minutes(1));
  EXPECT_EQ(only_problem().substr(0, 6), "store:");
  store_->set_reachable(true);
  loop_.advance(minutes(1));
  log::capture({});
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(AgentTest, AProblemOfAnActiveLeaseIsNotReportedAsNoLease) {
  configure(kHostGw);
  std::string said;
  log::capture([&](std::string_view line) { said.append(line).append("\n"); });
  for (int i = 0; i < 2; ++i)
    put(own_key(), peer_value("192.0.2.1", "foreign"));
  log::capture({});
  EXPECT_NE(said.find("trouble with the lease, trying again"), std::string::npos) << said;
  EXPECT_NE(said.find("another process keeps writing"), std::string::npos) << said;
  EXPECT_EQ(said.find("no lease yet"), std::string::npos) << said;
}

TEST_F(AgentTest, ALeaseDeletedByHandIsTakenAgain) {
  configure(kHostGw);
  const std::string key = own_key();
  put("10.5.9.0-24", peer_value("192.0.2.9"));
  remove(key);
  loop_.advance(seconds(5));
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_EQ(kernel_.dump(), "route 10.5.9.0/24 via 192.0.2.9 dev eth0\n");
}

TEST_F(AgentTest, ASubnetTakenByAnotherHostIsReportedAndNotOverwritten) {
  configure(kHostGw);
  const std::string key = own_key();
  const std::string before = read_file(subnet_file()).value();
  put(key, peer_value("192.0.2.77"));
  loop_.advance(hours(30));
  EXPECT_NE(only_problem().find("192.0.2.77"), std::string::npos) << only_problem();
  EXPECT_EQ(read_file(subnet_file()).value(), before);
  remove(key);
  loop_.advance(seconds(60));
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

}  // namespace
}  // namespace flannel::agent_store_test
