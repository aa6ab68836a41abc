// SPDX-License-Identifier: Apache-2.0
// A keeper that goes on with the lease of an earlier run.
#include <gtest/gtest.h>

#include "support/active_lease.h"

namespace flannel::lease_keeper_resume_test {
namespace {

using std::chrono::hours;
using Fate = KeeperHost::Fate;

// The first run is `us`, and has ended.
class ResumedLeaseTest : public ActiveLeaseTest {
 protected:
  void SetUp() override {
    ActiveLeaseTest::SetUp();
    kept_ = *us.keeper.record();
    lease_ = *us.keeper.lease();
    ends_ = us.keeper.expires();
    store.now += hours(2);
  }
  void resume(TimePoint ends) {
    next_.perform_now(next_.keeper.resume(store.now, lease_, kept_, ends, hours(24)));
  }

  Record kept_;
  Lease lease_;
  TimePoint ends_{};
  KeeperHost next_{
      store, LeaseKeeper(
                 {}, config(), announced.public_ip, [this](const Lease*) { return announced; },
                 std::nullopt, draw_first)};
};

TEST_F(ResumedLeaseTest, IsHeldAtOnceAndRenewed) {
  resume(ends_);
  EXPECT_EQ(next_.take_log(), "active 10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(next_.keeper.phase(), LeasePhase::active);
  EXPECT_EQ(next_.keeper.expires(), ends_);
  EXPECT_EQ(next_.keeper.life(), hours(24));
  next_.wait();
  next_.finish_calls();
  EXPECT_EQ(next_.take_log(), "renew 10.5.0.32-27");
  EXPECT_EQ(next_.keeper.expires(), store.now + hours(24));
}

TEST_F(ResumedLeaseTest, StaysWhileTheStoreIsAway) {
  resume(ends_);
  next_.take_log();
  for (int i = 0; i < 200; ++i) {
    next_.wait();
    next_.answer(Fate::away);
  }
  EXPECT_EQ(next_.keeper.phase(), LeasePhase::renewing);
  ASSERT_TRUE(next_.keeper.record());
  EXPECT_EQ(*next_.keeper.record(), kept_);
  next_.wait();
  next_.finish_calls();
  EXPECT_EQ(next_.keeper.phase(), LeasePhase::active);
}

TEST_F(ResumedLeaseTest, AnotherAnnouncementIsWritten) {
  announced.backend_type = "host-gw";
  resume(ends_);
  EXPECT_EQ(next_.keeper.lease()->attributes.backend_type, "vxlan") << "as the store has it";
  next_.finish_calls();
  EXPECT_EQ(next_.take_log(),
            "active 10.5.0.32/27@192.0.2.1 | replace 10.5.0.32-27 | active "
            "10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(record().value, ours());
}

TEST_F(ResumedLeaseTest, AReservationNeedsNoRenewal) {
  store.put(kKey, ours(), std::nullopt);
  kept_ = record();
  resume(kNever);
  EXPECT_EQ(next_.take_log(), "active 10.5.0.32/27@192.0.2.1");
  EXPECT_EQ(next_.keeper.next_wakeup(), kNever);
}

TEST_F(ResumedLeaseTest, WhatAnotherHostHasTakenIsReportedAndNotExchanged) {
  store.put(kKey, kStranger, hours(24));
  resume(ends_);
  next_.take_log();
  next_.wait();
  next_.finish_calls();
  const std::string log = next_.take_log();
  EXPECT_NE(log.find("lost: taken"), std::string::npos) << log;
  EXPECT_EQ(record().value, kStranger);
  EXPECT_EQ(next_.keeper.record(), nullptr) << "it is not to be kept";
}

TEST_F(ResumedLeaseTest, WhatIsGoneIsTakenAgain) {
  store.remove(kKey);
  resume(ends_);
  next_.take_log();
  next_.wait();
  next_.finish_calls();
  EXPECT_EQ(next_.keeper.phase(), LeasePhase::active);
  EXPECT_EQ(record().value, ours());
}

}  // namespace
}  // namespace flannel::lease_keeper_resume_test
