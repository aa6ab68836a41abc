// SPDX-License-Identifier: Apache-2.0
// An agent in a cluster that moves from one store to another.
#include "daemon/store_move.h"

#include "support/store_move_fixture.h"

namespace flannel::store_move_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST_F(StoreMoveTest, AHostKeepsItsLeaseInBothStoresAndFollowsTheOldOne) {
  const std::string kernel = kernel_.dump();
  const std::string key = own_key();
  copy();
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(record_of_ours_in(store_), "ours");
  EXPECT_EQ(all_problems(), "");
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(store_));
  EXPECT_FALSE(uses(new_));
}

TEST_F(StoreMoveTest, BothLeasesAreRenewed) {
  copy();
  for (int i = 0; i < 40; ++i) {
    loop_.advance(hours(2));
    // The peer's host is not there.
    put(kPeerKey, peer_of(3, "192.0.2.3"), hours(24));
  }
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(record_of_ours_in(store_), "ours");
}

TEST_F(StoreMoveTest, AHostThatCannotReachTheNewStoreStaysAndSaysSo) {
  const std::string kernel = kernel_.dump();
  new_->set_reachable(false);
  note(store_, {.to = MoveNote{"1", kNew, false}, .from = {}});
  EXPECT_TRUE(all_problems().starts_with("store: cannot follow the move to memory: "))
      << all_problems();
  EXPECT_NE(all_problems().find("; the store of before decides, packets go on"), std::string::npos);
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(store_));
  new_->set_reachable(true);
  loop_.advance(seconds(60));
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, WhatCannotBeOpenedIsSaidAndTriedAgain) {
  open_fails_ = "ca.pem: No such file or directory";
  copy();
  EXPECT_EQ(
      all_problems(),
      "store: cannot follow the move between this store and etcd3:http://new:2379: "
      "ca.pem: No such file or directory; remedy: see that this host reaches that store with its "
      "credentials, before the old one is retired\n");
  EXPECT_EQ(record_of_ours_in(new_), "a copy");
  open_fails_.clear();
  loop_.advance(seconds(60));
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, WhenTheOldStoreIsRetiredTheNewOneIsUsedAndNoPacketIsLost) {
  copy();
  const std::string kernel = kernel_.dump();
  const std::string key = own_key();
  retire_old();
  complete_new();
  loop_.advance(seconds(120));
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_EQ(all_problems(), "");
  EXPECT_TRUE(uses(new_));
  EXPECT_FALSE(uses(store_));
  EXPECT_EQ(opened_, 1) << "the connection is the one by which it followed";
  store_->remove(kPrefix, key);
  loop_.advance(hours(100));
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(record_of_ours_in(store_), "none");
}

TEST_F(StoreMoveTest, ThatItIsRetiredIsReadInTheNewStoreIfTheOldOneIsLost) {
  copy();
  const std::string kernel = kernel_.dump();
  store_->set_reachable(false);
  loop_.advance(seconds(30));
  complete_new();
  loop_.advance(seconds(60));
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(new_));
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, ANewStoreThatFailsInTheMiddleCostsNothing) {
  copy();
  const std::string kernel = kernel_.dump();
  new_->set_reachable(false);
  loop_.advance(hours(1));
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(store_));
  EXPECT_TRUE(all_problems().starts_with("store: cannot follow the move to ")) << all_problems();
  retire_old();
  complete_new();
  loop_.advance(hours(1));
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(store_)) << "it cannot know of the other one";
  new_->set_reachable(true);
  loop_.advance(seconds(60));
  EXPECT_TRUE(uses(new_));
  EXPECT_EQ(kernel_.dump(), kernel);
}

TEST_F(StoreMoveTest, ADaemonThatStartsInTheMiddleFollows) {
  copy();
  const std::string key = own_key();
  new_->put(kPrefix, key, with_copy_mark(record_in(new_, key)->value, "1"), hours(24), loop_.now());
  start_agent();
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_TRUE(uses(store_));
}

TEST_F(StoreMoveTest, ADaemonThatStartsAtTheNewStoreLetsTheOldOneDecide) {
  copy();
  const std::string key = own_key();
  const std::string kernel = kernel_.dump();
  start_at_new();
  loop_.advance(seconds(10));
  EXPECT_EQ(ready_, 1);
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(store_));
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  retire_old();
  EXPECT_TRUE(uses(store_)) << "leases that were made last are still copied";
  complete_new();
  loop_.advance(seconds(10));
  EXPECT_TRUE(uses(new_));
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, ADaemonThatStartsAtTheNewStoreWaitsForTheOldOne) {
  copy();
  store_->set_reachable(false);
  start_at_new();
  loop_.advance(seconds(60));
  EXPECT_EQ(agent_->network(), nullptr);
  EXPECT_NE(all_problems().find(
                "decides until it is retired, and has not answered yet; remedy: if it is lost for "
                "ever: \"flannelctl store retire --force\""),
            std::string::npos)
      << all_problems();
  complete_new();
  loop_.advance(seconds(60));
  ASSERT_NE(agent_->network(), nullptr);
  EXPECT_TRUE(uses(new_));
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, ADaemonThatStartsAtTheOldStoreAfterwardsGoesToTheNewOne) {
  copy();
  const std::string key = own_key();
  retire_old();
  complete_new();
  start_agent();
  loop_.advance(seconds(10));
  EXPECT_EQ(own_key(), key);
  EXPECT_TRUE(uses(new_));
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, BeforeTheNewStoreSaysThatItDecidesOnlyHostsWithALeaseThereStart) {
  copy();
  retire_old();
  start_agent();  // with its lease there
  loop_.advance(seconds(10));
  ASSERT_NE(agent_->network(), nullptr);
  new_->remove(kPrefix, own_key());
  agent_.reset();
  start_agent();
  loop_.advance(seconds(10));
  EXPECT_EQ(agent_->network(), nullptr);
  EXPECT_NE(all_problems().find("run \"flannelctl store retire\" to its end"), std::string::npos)
      << all_problems();
  complete_new();
  loop_.advance(seconds(10));
  ASSERT_NE(agent_->network(), nullptr);
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, AMoveThatIsGivenUpEndsTheLeaseInTheNewStore) {
  copy();
  configure(kHostGw);
  loop_.advance(hours(48));
  new_->expire(loop_.now());  // no registry of it is open
  EXPECT_EQ(record_of_ours_in(new_), "none");
  EXPECT_EQ(record_of_ours_in(store_), "ours");
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, ALeaseThatCameTooLateYieldsToTheOneInTheNewStore) {
  const std::string key = own_key();
  new_->put(kPrefix, key, peer_of(5, "192.0.2.5"), hours(24), loop_.now());
  retire_old();
  complete_new();
  loop_.advance(seconds(60));
  EXPECT_NE(own_key(), key);
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(all_problems(), "");
}

TEST_F(StoreMoveTest, ASubnetThatAnotherHostHasInTheNewStoreIsNotTaken) {
  new_->put(kPrefix, own_key(), peer_of(5, "192.0.2.5"), hours(24), loop_.now());
  note(store_, {.to = MoveNote{"1", kNew, false}, .from = {}});
  loop_.advance(seconds(60));
  EXPECT_EQ(record_of_ours_in(new_), "another's");
  EXPECT_NE(all_problems().find("192.0.2.5 has " + own_key()), std::string::npos) << all_problems();
  EXPECT_TRUE(uses(store_));
}

TEST_F(StoreMoveTest, TheCopyOfALeaseThatEndedIsReplaced) {
  new_->put(kPrefix, own_key(), with_copy_mark(peer_of(5, "192.0.2.5"), "1"), hours(24),
            loop_.now());
  note(store_, {.to = MoveNote{"1", kNew, false}, .from = {}});
  loop_.advance(seconds(10));
  EXPECT_EQ(record_of_ours_in(new_), "ours");
}

TEST_F(StoreMoveTest, AReservationStaysOne) {
  const std::string key = own_key();
  const std::string value = record_in(store_, key)->value;
  put(key, value);
  copy();
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_FALSE(record_in(new_, key)->expires());
}

TEST_F(StoreMoveTest, TheClusterMovesOnAndBack) {
  copy();
  const std::string kernel = kernel_.dump();
  retire_old();
  complete_new();
  loop_.advance(seconds(60));
  ASSERT_TRUE(uses(new_));
  copy(new_, store_, kNew, kOld, "2");
  loop_.advance(seconds(10));
  EXPECT_EQ(record_of_ours_in(store_), "ours");
  EXPECT_TRUE(uses(new_));
  note(new_, {.to = MoveNote{"2", kOld, true}, .from = {}});
  note(store_, {.to = {}, .from = MoveNote{"2", kNew, true}});
  loop_.advance(seconds(60));
  EXPECT_TRUE(uses(store_));
  EXPECT_EQ(all_problems(), "");
  EXPECT_EQ(kernel_.dump(), kernel);
}

TEST_F(StoreMoveTest, NoRenewalFailsWhenTheStoreIsAnother) {
  std::string said;
  log::capture([&](std::string_view line) { said.append(line).append("\n"); });
  copy();
  retire_old();
  complete_new();
  loop_.advance(seconds(60));
  ASSERT_TRUE(uses(new_));
  copy(new_, store_, kNew, kOld, "2");
  loop_.advance(seconds(10));
  note(new_, {.to = MoveNote{"2", kOld, true}, .from = {}});
  note(store_, {.to = {}, .from = MoveNote{"2", kNew, true}});
  loop_.advance(seconds(60));
  ASSERT_TRUE(uses(store_));
  log::capture({});
  EXPECT_EQ(said.find("renewing the lease failed"), std::string::npos) << said;
  EXPECT_EQ(said.find("lost"), std::string::npos) << said;
}

TEST_F(StoreMoveTest, NotesThatLeadInACircleAreSaidAndEnd) {
  agent_.reset();
  note(store_, {.to = MoveNote{"1", kNew, true}, .from = {}});
  note(new_, {.to = MoveNote{"2", kOld, true}, .from = {}});
  start_agent();
  loop_.advance(seconds(60));
  EXPECT_NE(all_problems().find("the notes about moves lead in a circle"), std::string::npos)
      << all_problems();
  EXPECT_LT(opened_, 5);
}

TEST_F(StoreMoveTest, ANoteThatCannotBeReadIsSaidAndChangesNothing) {
  configure(R"({"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"},"MovedTo":{"Id":"1"}})");
  EXPECT_EQ(
      all_problems(),
      "store: the note about a move cannot be read: Store in MovedTo: is missing; remedy: run "
      "the command again that wrote it, or correct it with \"flannelctl config set\"\n");
  EXPECT_TRUE(uses(store_));
}

TEST_F(StoreMoveTest, ATextThatIsNoConfigurationIsNoNoteEither) {
  configure("{nonsense");
  EXPECT_NE(all_problems().find("config: the network config: not JSON"), std::string::npos)
      << all_problems();
  EXPECT_EQ(all_problems().find("a move"), std::string::npos) << all_problems();
  EXPECT_TRUE(uses(store_));
}

}  // namespace
}  // namespace flannel::store_move_test
