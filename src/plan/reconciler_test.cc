// SPDX-License-Identifier: Apache-2.0
#include "plan/reconciler.h"

#include <gtest/gtest.h>

#include "support/reconciler_fixture.h"

namespace flannel::reconciler_test {
namespace {

TEST_F(ReconcilerTest, NothingTouchesTheKernelBeforeTheFirstSync) {
  reconciler.set_host(kScope, device());
  set_peer(subnet(2), peer(2));
  remove_peer(subnet(3));
  reconciler.suspect(now);
  reconciler.tick(now);
  EXPECT_EQ(reconciler.next_wakeup(), kNever);
  EXPECT_EQ(kernel.reads() + kernel.batches(), 0);
  EXPECT_FALSE(reconciler.host_in_place());
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
  EXPECT_TRUE(reconciler.host_in_place());
}

TEST_F(ReconcilerTest, ASyncOfWhatIsRightTouchesNothing) {
  start({2, 3});
  kernel.read_backwards();
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_EQ(kernel.take_log(), "");
}

TEST_F(ReconcilerTest, ARestartAdoptsWhatIsRightAndRemovesPeersThatVanished) {
  start({2, 3, 4});
  Reconciler restarted(kernel);
  restarted.set_host(kScope, device());
  restarted.set_peers({{subnet(2), peer(2)}, {subnet(4), peer(4)}}, now);
  ASSERT_TRUE(restarted.sync(now));
  EXPECT_EQ(kernel.take_log(),
            "remove route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink\n"
            "remove fdb 02:00:00:00:00:03 dev flannel.1 dst 192.0.2.3 self permanent\n"
            "remove neigh 10.5.3.0 dev flannel.1 lladdr 02:00:00:00:00:03 nud permanent\n");
  EXPECT_EQ(restarted.counters().corrections, 0u);
}

TEST_F(ReconcilerTest, AnEventForOnePeerTouchesOnlyItsObjectsAndReadsNothing) {
  start({2, 3, 4, 5});
  const int reads = kernel.reads();
  set_peer(subnet(6), peer(6));
  EXPECT_EQ(kernel.take_log(),
            "put neigh 10.5.6.0 dev flannel.1 lladdr 02:00:00:00:00:06 nud permanent\n"
            "put fdb 02:00:00:00:00:06 dev flannel.1 dst 192.0.2.6 self permanent\n"
            "put route 10.5.6.0/24 via 10.5.6.0 dev flannel.1 onlink\n");
  set_peer(subnet(6), peer(6));
  EXPECT_EQ(kernel.take_log(), "") << "a renewal is no change";
  remove_peer(subnet(6));
  EXPECT_EQ(kernel.take_log(),
            "remove route 10.5.6.0/24 via 10.5.6.0 dev flannel.1 onlink\n"
            "remove fdb 02:00:00:00:00:06 dev flannel.1 dst 192.0.2.6 self permanent\n"
            "remove neigh 10.5.6.0 dev flannel.1 lladdr 02:00:00:00:00:06 nud permanent\n");
  EXPECT_EQ(kernel.reads(), reads);
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2), peer(3), peer(4), peer(5)})));
}

TEST_F(ReconcilerTest, ManyPeersAreOneBatch) {
  start({});
  const int batches = kernel.batches();
  std::vector<std::pair<IpPrefix, NetState>> peers;
  for (std::uint8_t n = 2; n < 200; ++n)
    peers.emplace_back(subnet(n), peer(n));
  reconciler.set_peers(peers, now);
  EXPECT_EQ(kernel.batches(), batches + 1);
  EXPECT_EQ(kernel.state().routes.size(), 198u);
  EXPECT_EQ(reconciler.counters().changes, 2u + 3 * 198);
}

TEST_F(ReconcilerTest, AHostThatChangesWithItsPeersIsOneSync) {
  start({2});
  NetState host = device();
  host.links.push_back(host.links[0]);
  host.links[1].name = "flannel.7";
  std::get<VxlanSettings>(host.links[1].kind).vni = 7;
  Scope scope = kScope;
  scope.link_names.push_back("flannel.7");
  reconciler.set_host(scope, host);
  NetState state = peer(2, 2);
  state.routes[0].link = state.neighbours[0].link = state.fdb[0].link = "flannel.7";
  ASSERT_TRUE(reconciler.set_peers_and_sync({{subnet(2), state}}, now));
  const std::string log = kernel.take_log();
  EXPECT_LT(log.find("put link flannel.7"), log.find("put route 10.5.2.0/24")) << log;
  EXPECT_LT(log.find("put route 10.5.2.0/24"), log.find("remove neigh 10.5.2.0 dev flannel.1"))
      << log;
  EXPECT_EQ(log.find("remove route"), std::string::npos) << log;
  EXPECT_EQ(reconciler.counters().corrections, 0U);
}

TEST_F(ReconcilerTest, APeerWithANewMacLeavesNothingOfTheOldOne) {
  start({2, 3});
  set_peer(subnet(2), peer(2, 9));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2, 9), peer(3)})));
}

TEST_F(ReconcilerTest, APeerThatBecomesDirectlyReachableIsReroutedBeforeTheTunnelGoes) {
  start({2});
  set_peer(subnet(2), direct_route(2, host_ip(2)));
  EXPECT_EQ(kernel.take_log(),
            "put route 10.5.2.0/24 via 192.0.2.2 dev eth0\n"
            "remove fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
            "remove neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n");
  set_peer(subnet(2), peer(2));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, AnObjectOfTwoSubnetsStaysUntilBothAreGone) {
  start({});
  set_peer(subnet(2), peer(2, 9));
  set_peer(subnet(3), peer(3, 9));
  EXPECT_EQ(kernel.state().fdb.size(), 1u);
  kernel.take_log();
  remove_peer(subnet(2));
  EXPECT_EQ(kernel.take_log(),
            "remove route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n"
            "remove neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:09 nud permanent\n");
  remove_peer(subnet(3));
  EXPECT_EQ(kernel.dump(), dump(device()));
}

TEST_F(ReconcilerTest, OfTwoHostsWithOneMacTheLowerSubnetHasItAndTheOtherIsNamed) {
  start({});
  NetState clone = peer(3, 9);
  clone.fdb[0].remote = host_ip(77);
  set_peer(subnet(3), clone);
  set_peer(subnet(2), peer(2, 9));
  EXPECT_EQ(kernel.state().fdb, peer(2, 9).fdb);
  EXPECT_EQ(reconciler.unmet().at(to_string(KernelObject(clone.fdb[0]))),
            "wanted by 10.5.3.0/24, but 10.5.2.0/24 wants fdb 02:00:00:00:00:09 dev flannel.1 dst "
            "192.0.2.9 self permanent");
  kernel.take_log();
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_EQ(kernel.take_log(), "") << "the two must not replace each other for ever";
  remove_peer(subnet(2));
  EXPECT_EQ(kernel.state().fdb, clone.fdb);
  EXPECT_TRUE(reconciler.unmet().empty());
}

TEST_F(ReconcilerTest, AFailedObjectIsReportedAndBlocksNoOther) {
  kernel.refuse("10.5.2.0", kRefused);
  start({2, 3});
  EXPECT_EQ(kernel.state().routes, peer(3).routes);
  EXPECT_EQ(
      reconciler.unmet(),
      (std::map<std::string, std::string>{
          {"neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent",
           "Operation not permitted"},
          {"route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink", "Operation not permitted"}}));
  EXPECT_TRUE(reconciler.host_in_place());
  EXPECT_EQ(reconciler.counters().failures, 2u);
  kernel.heal();
  pass(milliseconds(100));
  EXPECT_TRUE(reconciler.unmet().empty());
  EXPECT_EQ(kernel.take_log(),
            "put neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
            "put route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
  EXPECT_EQ(reconciler.counters().corrections, 0u);
}

TEST_F(ReconcilerTest, AFailedObjectIsTriedAfterDoublingPausesUpToHalfAMinute) {
  start({2});
  kernel.refuse("route 10.5.3.0", kRefused);
  set_peer(subnet(3), peer(3));
  std::vector<Duration> pauses;
  TimePoint last = now;
  for (int i = 0; i < 9; ++i) {
    now = reconciler.next_wakeup();
    pauses.push_back(now - last);
    last = now;
    kernel.take_log();
    reconciler.tick(now);
    EXPECT_EQ(kernel.take_log(), "put route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink\n");
  }
  std::vector<Duration> expected;
  for (const int pause : {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600})
    expected.push_back(milliseconds(pause));
  EXPECT_EQ(pauses, expected);
  const auto failures = reconciler.counters().failures;
  pass(std::chrono::minutes(10));
  EXPECT_GE(reconciler.counters().failures - failures, 20u) << "each half minute, not more rarely";
  kernel.heal();
  pass(seconds(30));
  EXPECT_TRUE(reconciler.unmet().empty());
}

TEST_F(ReconcilerTest, AnotherDesiredStateOfAFailedObjectIsTriedAtOnceWithShortPausesAgain) {
  start({});
  set_peer(subnet(2), direct_route(2, IpAddress::v4(203, 0, 113, 9)));
  EXPECT_EQ(reconciler.unmet(),
            (std::map<std::string, std::string>{
                {"route 10.5.2.0/24 via 203.0.113.9 dev eth0", "Nexthop has invalid gateway"}}));
  pass(seconds(20));
  set_peer(subnet(2), direct_route(2, IpAddress::v4(203, 0, 113, 8)));
  EXPECT_EQ(reconciler.next_wakeup(), now + milliseconds(100));
  set_peer(subnet(2), direct_route(2, host_ip(2)));
  EXPECT_TRUE(reconciler.unmet().empty());
  EXPECT_EQ(kernel.state().routes, direct_route(2, host_ip(2)).routes);
}

TEST_F(ReconcilerTest, AFailedRemovalIsNamedAndRetried) {
  start({2});
  kernel.refuse("route 10.5.2.0", kRefused);
  remove_peer(subnet(2));
  EXPECT_EQ(reconciler.unmet().count("remove route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink"),
            1u);
  kernel.heal();
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(device()));
}

TEST_F(ReconcilerTest, APeerThatGoesAfterItsNewRouteFailedLeavesNotTheOldOne) {
  start({2});
  kernel.refuse("via 203.0.113.9", kRefused);
  set_peer(subnet(2), direct_route(2, IpAddress::v4(203, 0, 113, 9)));
  EXPECT_EQ(kernel.state().routes, peer(2).routes) << "the old route serves until the new one is";
  kernel.heal();
  remove_peer(subnet(2));
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(device()));
}

}  // namespace
}  // namespace flannel::reconciler_test
