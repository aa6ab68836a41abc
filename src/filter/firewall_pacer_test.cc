// SPDX-License-Identifier: Apache-2.0
#include "filter/firewall_pacer.h"

#include <gtest/gtest.h>

namespace flannel::firewall_pacer_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Wake = FirewallPacer::Wake;

class FirewallPacerTest : public ::testing::Test {
 protected:
  // One look that takes no time.
  void look(int mends = 0) {
    pacer.begin();
    for (int i = 0; i < mends; ++i)
      pacer.on_mend();
    pacer.end(now);
  }
  // Goes on to the next wake-up; how long that was.
  Duration sleep() {
    const Duration waited = pacer.next_wakeup() - now;
    now = pacer.next_wakeup();
    return waited;
  }

  FirewallPacer pacer{seconds(5)};
  TimePoint now{seconds(1000)};
};

TEST_F(FirewallPacerTest, BeforeTheFirstLookAndDuringOneNothingIsDue) {
  pacer.on_change(now);
  EXPECT_EQ(pacer.next_wakeup(), kNever);
  pacer.begin();
  EXPECT_EQ(pacer.next_wakeup(), kNever);
  EXPECT_EQ(pacer.tick(now + seconds(100)), Wake::nothing);
}

TEST_F(FirewallPacerTest, WithoutChangesEachResyncPeriodHasACheck) {
  look();
  for (int period = 0; period < 3; ++period) {
    EXPECT_EQ(sleep(), seconds(5));
    EXPECT_EQ(pacer.tick(now - milliseconds(1)), Wake::nothing) << "too early";
    EXPECT_EQ(pacer.tick(now), Wake::check);
  }
}

TEST_F(FirewallPacerTest, ABurstOfChangesHasOneLook) {
  look();
  pacer.on_change(now);
  now += milliseconds(15);
  pacer.on_change(now);
  EXPECT_EQ(sleep(), milliseconds(5)) << "counted from the first change";
  EXPECT_EQ(pacer.tick(now), Wake::look);
  look();
  EXPECT_EQ(sleep(), seconds(5)) << "the period begins anew";
}

TEST_F(FirewallPacerTest, AChangeDuringALookHasALookOfItsOwn) {
  pacer.begin();
  pacer.on_change(now);
  now += seconds(1);
  pacer.end(now);
  EXPECT_EQ(sleep(), FirewallPacer::kBurst);
  EXPECT_EQ(pacer.tick(now), Wake::look);
}

TEST_F(FirewallPacerTest, AfterTooManyMendsTheNextLookWaitsForTheEndOfThePeriod) {
  look(FirewallPacer::kMaxMends - 1);
  pacer.on_change(now);
  EXPECT_EQ(sleep(), FirewallPacer::kBurst);
  EXPECT_EQ(pacer.tick(now), Wake::look);
  look(1);
  pacer.on_change(now);
  EXPECT_EQ(sleep(), seconds(5));
  EXPECT_EQ(pacer.tick(now), Wake::look) << "the change is not forgotten";
  look(1);
  pacer.on_change(now);
  EXPECT_EQ(sleep(), FirewallPacer::kBurst) << "a new period has its own";
}

}  // namespace
}  // namespace flannel::firewall_pacer_test
