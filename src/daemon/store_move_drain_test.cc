// SPDX-License-Identifier: Apache-2.0
// A host that is drained while the cluster moves from one store to another.
#include "daemon/store_move.h"
#include "support/store_move_fixture.h"

namespace flannel::store_move_drain_test {
namespace {

using std::chrono::seconds;

class StoreMoveDrainTest : public StoreMoveTest {
 protected:
  void drain(bool drained = true) {
    agent_->follow_drain(drained ? std::optional(DrainNote{.since = "now", .by = "root"})
                                 : std::nullopt);
    loop_.run_until_idle();
  }
  // The record of this host in the old store and in the new one.
  std::string records() { return record_of_ours_in(store_) + ", " + record_of_ours_in(new_); }
};

TEST_F(StoreMoveDrainTest, TheRecordsInBothStoresGoAndComeBack) {
  copy();
  EXPECT_EQ(records(), "ours, ours");
  drain();
  EXPECT_EQ(records(), "none, none");
  loop_.advance(seconds(300));
  EXPECT_EQ(records(), "none, none");
  drain(false);
  EXPECT_EQ(records(), "ours, ours");
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveDrainTest, ACopyOfOurLeaseGoesWhenTheMoveBeginsAfterTheDrain) {
  const Record ours = *record_in(store_, own_key());
  drain();
  store_->put(kPrefix, ours.key, ours.value, std::chrono::hours(24), loop_.now());
  copy();
  EXPECT_EQ(records(), "none, none");
}

TEST_F(StoreMoveDrainTest, ARecordInANewStoreThatIsAwayGoesWhenItIsBack) {
  copy();
  new_->set_reachable(false);
  drain();
  EXPECT_EQ(record_of_ours_in(store_), "none");
  new_->set_reachable(true);
  loop_.advance(seconds(120));
  EXPECT_EQ(records(), "none, none");
}

TEST_F(StoreMoveDrainTest, ADrainedHostFollowsToTheNewStoreAndTakesItsSubnetThere) {
  copy();
  const std::string key = own_key();
  const std::string kernel = kernel_.dump();
  drain();
  retire_old();
  complete_new();
  loop_.advance(seconds(120));
  EXPECT_TRUE(uses(new_));
  EXPECT_EQ(records(), "none, none");
  EXPECT_EQ(kernel_.dump(), kernel);
  drain(false);
  EXPECT_EQ(records(), "none, ours");
  EXPECT_EQ(own_key(), key);
  EXPECT_TRUE(agent_->ready());
}

TEST_F(StoreMoveDrainTest, ASubnetThatWasTakenInTheNewStoreIsReported) {
  copy();
  const std::string key = own_key();
  drain();
  new_->put(kPrefix, key, peer_of(9, "192.0.2.9"), std::chrono::hours(24), loop_.now());
  retire_old();
  complete_new();
  loop_.advance(seconds(120));
  drain(false);
  loop_.advance(seconds(60));
  EXPECT_EQ(own_key(), key);
  EXPECT_NE(all_problems().find("again: 192.0.2.9 has " + key), std::string::npos)
      << all_problems();
}

TEST_F(StoreMoveDrainTest, ARestartWhileDrainedDeletesTheRecordsOfBothStores) {
  copy();
  note_at_start_ = DrainNote();
  start_agent();
  loop_.advance(seconds(60));
  EXPECT_EQ(records(), "none, none");
}

}  // namespace
}  // namespace flannel::store_move_drain_test
