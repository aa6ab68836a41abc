// SPDX-License-Identifier: Apache-2.0
// The end of a lease that is active: an orderly leave.
#include <gtest/gtest.h>

#include "support/active_lease.h"

namespace flannel {
namespace {

using std::chrono::hours;
using Fate = KeeperHost::Fate;

TEST_F(ActiveLeaseTest, OrderlyLeaveDeletesTheRecordIfItIsStillOurs) {
  us.release();
  EXPECT_EQ(settled(), "release 10.5.0.32-27");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::idle);
  EXPECT_EQ(us.keeper.next_wakeup(), kNever);
  EXPECT_TRUE(store.records.empty());
}

TEST_F(ActiveLeaseTest, LeaveWhileOthersChangedTheRecordLooksFirst) {
  store.put(kKey, R"({"PublicIP":"192.0.2.1","x":1})", hours(1));
  us.release();
  EXPECT_EQ(settled(), "release 10.5.0.32-27 | list | release 10.5.0.32-27");
  EXPECT_TRUE(store.records.empty());
}

TEST_F(ActiveLeaseTest, LeaveNeverDeletesSomebodyElsesRecord) {
  store.put(kKey, kStranger, hours(1));
  us.release();
  EXPECT_EQ(settled(), "release 10.5.0.32-27 | list");
  EXPECT_EQ(record().value, kStranger);
  EXPECT_EQ(us.keeper.phase(), LeasePhase::idle);
}

TEST_F(ActiveLeaseTest, LeaveKeepsAReservation) {
  store.put(kKey, ours(), std::nullopt);
  settled();
  us.release();
  EXPECT_EQ(settled(), "");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::idle);
  EXPECT_TRUE(store.records.contains(kKey));
}

TEST_F(ActiveLeaseTest, LeaveWaitsForTheCallThatIsUnderWayAndForTheStore) {
  us.wait();
  us.release();
  EXPECT_EQ(us.said(), "renew 10.5.0.32-27");
  us.answer();
  EXPECT_EQ(us.said(), "release 10.5.0.32-27");
  us.answer(Fate::away);
  EXPECT_EQ(us.said(), "error: release the lease: store away");
  us.wait();
  EXPECT_EQ(settled(), "release 10.5.0.32-27");
  EXPECT_EQ(us.keeper.phase(), LeasePhase::idle);
}

TEST_F(ActiveLeaseTest, LeaveDuringTheFirstWriteTakesItBack) {
  KeeperHost late{
      store, LeaseKeeper(
                 {}, config(), Ip4::of(192, 0, 2, 3),
                 [](const Lease*) { return LeaseAttributes{.public_ip = Ip4::of(192, 0, 2, 3)}; },
                 std::nullopt, draw_first)};
  late.start();
  late.answer();
  late.release();
  late.answer(Fate::reply_lost);
  late.wait();
  late.settle();
  EXPECT_EQ(late.said(),
            "list | create 10.5.0.64-27 | error: create 10.5.0.64-27: store away | list | "
            "release 10.5.0.64-27");
  EXPECT_EQ(late.keeper.phase(), LeasePhase::idle);
  EXPECT_EQ(store.records.size(), 1U);
}

}  // namespace
}  // namespace flannel
