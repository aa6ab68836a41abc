// SPDX-License-Identifier: Apache-2.0
// The reconciler repairs what other programs change in the kernel, and retries what the kernel
// refused.
#include <gtest/gtest.h>

#include "support/reconciler_fixture.h"

namespace flannel::reconciler_repair_test {
namespace {

TEST_F(ReconcilerTest, AForeignChangeIsRepairedAfterItsNotification) {
  start({2, 3});
  kernel.erase("route 10.5.2.0");
  kernel.erase("neigh 10.5.3.0");
  kernel.meddle(Route{.to = subnet(9), .via = subnet(9).base, .link = "flannel.1"});
  reconciler.suspect(now);
  pass(milliseconds(19));
  EXPECT_EQ(kernel.take_log(), "") << "more notifications may follow";
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2), peer(3)})));
  EXPECT_EQ(reconciler.counters().corrections, 3u);
  EXPECT_EQ(reconciler.counters().full_syncs, 2u);
}

TEST_F(ReconcilerTest, ManyNotificationsCauseOneSyncInATenthOfASecond) {
  start({2});
  pass(seconds(1));
  const int reads = kernel.reads();
  for (int i = 0; i < 1000; ++i) {
    reconciler.suspect(now);
    pass(milliseconds(1));
  }
  EXPECT_GE(kernel.reads() - reads, 9);
  EXPECT_LE(kernel.reads() - reads, 11);
}

TEST_F(ReconcilerTest, CorrectionsThatDoNotLastBecomeRare) {
  start({2});
  const int reads = kernel.reads();
  for (int i = 0; i < 60'000; ++i) {
    kernel.erase("route 10.5.2.0");
    reconciler.suspect(now);
    pass(milliseconds(1));
  }
  EXPECT_LE(kernel.reads() - reads, 25);
  pass(seconds(30));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
  pass(seconds(120));
  kernel.erase("route 10.5.2.0");
  reconciler.suspect(now);
  pass(milliseconds(20));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)}))) << "quick again after a calm sync";
}

TEST_F(ReconcilerTest, AChangeWithoutNotificationIsRepairedWithinAMinute) {
  start({2});
  kernel.erase("fdb");
  pass(seconds(59));
  EXPECT_TRUE(kernel.state().fdb.empty());
  pass(seconds(1));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, AnAcknowledgedChangeThatWasNotDoneIsDoneByTheNextSync) {
  kernel.lose("fdb");
  start({2});
  kernel.heal();
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, AVanishedDeviceIsMadeAgainWithItsObjects) {
  start({2, 3});
  kernel.delete_device("flannel.1");
  reconciler.suspect(now);
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2), peer(3)})));
}

TEST_F(ReconcilerTest, ADeviceTakenDownComesUpWithItsRoutes) {
  start({2, 3});
  kernel.set_up("flannel.1", false);
  reconciler.suspect(now);
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2), peer(3)})));
}

TEST_F(ReconcilerTest, AForeignMacOnOurDeviceIsUndoneAndCostsNoNeighbour) {
  start({2});
  NetState other = device();
  std::get<VxlanSettings>(other.links[0].kind).mac = mac(66);
  kernel.apply(std::vector<KernelChange>{{Op::put, other.links[0]}});
  reconciler.suspect(now);
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, ANewDesiredStateOfTheHostIsCarriedOutByTheNextTickAndIsNoCorrection) {
  start({2, 3});
  NetState host = device(1400);
  std::get<VxlanSettings>(host.links[0].kind).port = 4789;
  host.addresses[0].ip = subnet(8).base;
  reconciler.set_host(kScope, host);
  EXPECT_FALSE(reconciler.host_in_place());
  EXPECT_EQ(kernel.take_log(), "");
  pass(Duration::zero());
  EXPECT_TRUE(reconciler.host_in_place());
  EXPECT_EQ(kernel.dump(), dump(together({host, peer(2), peer(3)})));
  EXPECT_EQ(reconciler.counters().corrections, 0u);
}

TEST_F(ReconcilerTest, AnAddressOutsideOfTheNewNetworkGoesAlthoughReadingDoesNotShowIt) {
  start({});
  NetState host = device();
  host.addresses[0].ip = IpAddress::v4(172, 16, 1, 0);
  Scope scope = kScope;
  scope.networks = {IpPrefix::of(IpAddress::v4(172, 16, 0, 0), 16)};
  reconciler.set_host(scope, host);
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_EQ(kernel.dump(), dump(host));
}

TEST_F(ReconcilerTest, AChangeOfBackendRemovesTheDeviceThatIsDesiredNoLonger) {
  start({2});
  reconciler.set_host({.link_names = {}, .networks = kScope.networks}, {});
  set_peer(subnet(2), direct_route(2, host_ip(2)));
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), "route 10.5.2.0/24 via 192.0.2.2 dev eth0\n");
  EXPECT_TRUE(reconciler.unmet().empty());
}

TEST_F(ReconcilerTest, ADeviceThatCannotBeMadeIsRetriedWithAllThatDependsOnIt) {
  kernel.delete_device("eth0");
  start({2, 3});
  EXPECT_FALSE(reconciler.host_in_place());
  EXPECT_EQ(kernel.dump(), "");
  pass(seconds(5));
  kernel.add_foreign_device("eth0", "192.0.2.1/24");
  pass(seconds(30));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2), peer(3)})));
  EXPECT_TRUE(reconciler.host_in_place());
  EXPECT_TRUE(reconciler.unmet().empty());
}

TEST_F(ReconcilerTest, AFailedObjectOfADeviceThatVanishedIsNotTriedWithoutIt) {
  kernel.refuse("route 10.5.2.0", kRefused);
  start({2});
  kernel.delete_device("flannel.1");
  kernel.refuse("link flannel.1", kRefused);
  reconciler.suspect(now);
  pass(seconds(60));
  EXPECT_EQ(reconciler.unmet().size(), 1u) << "the device alone";
  kernel.heal();
  pass(seconds(60));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, ADeviceOfAnotherKindWithOurNameIsNamedAndNothingIsPutOnIt) {
  kernel.add_foreign_device("flannel.1");
  start({2});
  set_peer(subnet(3), peer(3));
  pass(seconds(60));
  EXPECT_EQ(kernel.dump(), "");
  EXPECT_EQ(reconciler.unmet(),
            (std::map<std::string, std::string>{{to_string(KernelObject(device().links[0])),
                                                 "flannel.1 is a device of another kind"}}));
  reconciler.set_host({.link_names = {}, .networks = kScope.networks}, {});
  kernel.take_log();
  pass(seconds(60));
  EXPECT_EQ(kernel.take_log().find("remove link"), std::string::npos);
}

TEST_F(ReconcilerTest, RoutesOfAnotherDaemonOnThisHostAreLeftAlone) {
  const Route others{
      .to = IpPrefix::of(IpAddress::v4(10, 9, 2, 0), 24), .via = host_ip(2), .link = "eth0"};
  kernel.meddle(others);
  start({2});
  ASSERT_TRUE(reconciler.sync(now));
  NetState expected = together({device(), peer(2)});
  add(expected, others);
  EXPECT_EQ(kernel.dump(), dump(expected));
}

TEST_F(ReconcilerTest, AStaleRouteOnOurDeviceGoesEvenIfItLeadsIntoAnEarlierNetwork) {
  start({2});
  kernel.meddle(Route{.to = IpPrefix::of(IpAddress::v4(10, 9, 2, 0), 24), .link = "flannel.1"});
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, NothingIsPutOnADeviceThatIsStillToBeRecreated) {
  start({2});
  NetState host = device();
  std::get<VxlanSettings>(host.links[0].kind).vni = 7;
  kernel.refuse("vxlan id 7", kRefused);
  reconciler.set_host(kScope, host);
  kernel.erase("neigh");
  pass(milliseconds(50));
  EXPECT_EQ(kernel.take_log(), "recreate " + to_string(KernelObject(host.links[0])) + "\n");
  kernel.heal();
  pass(seconds(1));
  EXPECT_EQ(kernel.dump(), dump(together({host, peer(2)})));
}

TEST_F(ReconcilerTest, ADeviceThatAnotherProgramMadeAsDesiredGetsItsObjects) {
  kernel.refuse("link flannel.1", kRefused);
  start({2});
  EXPECT_EQ(kernel.dump(), "");
  kernel.meddle(device().links[0]);
  reconciler.suspect(now);
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
  EXPECT_TRUE(reconciler.unmet().empty());
}

TEST_F(ReconcilerTest, RetriesWaitWhileTheKernelCannotBeRead) {
  kernel.refuse("route 10.5.2.0", kRefused);
  start({2});
  kernel.refuse_reads(kRefused);
  EXPECT_FALSE(reconciler.sync(now));
  pass(seconds(60));
  kernel.heal();
  pass(seconds(30));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, AFailedReadRemovesNothingAndIsRetriedWithPauses) {
  start({2});
  const std::string before = kernel.dump();
  kernel.refuse_reads({ErrorKind::exhausted, "No buffer space available"});
  const auto failed = reconciler.sync(now);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text, "read the kernel's state: No buffer space available");
  EXPECT_EQ(reconciler.read_error(), failed.error().text);
  EXPECT_EQ(kernel.take_log(), "");
  EXPECT_EQ(kernel.dump(), before);
  const int reads = kernel.reads();
  for (int i = 0; i < 10'000; ++i) {
    reconciler.suspect(now);
    pass(milliseconds(1));
  }
  EXPECT_EQ(kernel.reads() - reads, 6) << "after 0.1, 0.3, 0.7, 1.5, 3.1 and 6.3 s";
  kernel.heal();
  kernel.erase("route");
  pass(seconds(10));
  EXPECT_EQ(kernel.dump(), before);
  EXPECT_TRUE(reconciler.unmet().empty());
}

TEST_F(ReconcilerTest, AFailedFirstReadIsRetriedToo) {
  kernel.refuse_reads({ErrorKind::exhausted, "No buffer space available"});
  reconciler.set_host(kScope, device());
  EXPECT_FALSE(reconciler.sync(now));
  set_peer(subnet(2), peer(2));
  EXPECT_EQ(kernel.batches(), 0);
  kernel.heal();
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

TEST_F(ReconcilerTest, ATunDeviceIsSetUpOnceThePacketPathHasOpenedIt) {
  NetState host;
  host.links.push_back({.name = "flannel0", .kind = TunSettings{}, .mtu = 1472});
  host.addresses.push_back({.link = "flannel0", .ip = subnet(1).base, .bits = 32});
  host.routes.push_back({.to = kScope.networks[0], .link = "flannel0"});
  reconciler.set_host({.link_names = {"flannel0"}, .networks = kScope.networks}, host);
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_FALSE(reconciler.host_in_place());
  kernel.open_tun("flannel0");
  reconciler.suspect(now);
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(host));
  EXPECT_TRUE(reconciler.host_in_place());
}

TEST_F(ReconcilerTest, DoubledRoutesOfWhichTheDesiredOneFailsAreStillRetried) {
  start({2});
  kernel.erase("route");
  kernel.meddle(Route{.to = subnet(2), .via = host_ip(2), .link = "eth0"});
  kernel.meddle(Route{.to = subnet(2), .via = host_ip(3), .link = "eth0"});
  kernel.refuse("10.5.2.0/24 via 10.5.2.0", kRefused);
  ASSERT_TRUE(reconciler.sync(now));
  EXPECT_EQ(reconciler.unmet().size(), 1u);
  kernel.heal();
  pass(milliseconds(100));
  EXPECT_EQ(kernel.dump(), dump(together({device(), peer(2)})));
}

}  // namespace
}  // namespace flannel::reconciler_repair_test
