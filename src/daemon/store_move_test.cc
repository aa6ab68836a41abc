// SPDX-License-Identifier: Apache-2.0
// An agent in a cluster that moves from one store to another.
#include "daemon/store_move.h"

#include "core/store_copy.h"
#include "support/agent_fixture.h"

namespace flannel::store_move_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const StoreAddress kOld = StoreAddress::parse("etcd2:http://old:2379").value();
const StoreAddress kNew = StoreAddress::parse("etcd3:http://new:2379").value();
constexpr const char* kPeerKey = "10.5.77.0-24";

std::string peer_of(int node, const std::string& public_ip) {
  LeaseAttributes attributes{.public_ip = IpAddress::parse_v4(public_ip).value()};
  attributes.backend_type = "host-gw";
  attributes.node.emplace();
  attributes.node->id.bytes[0] = static_cast<std::uint8_t>(node);
  return encode_lease_value(attributes);
}

class StoreMoveTest : public AgentTest {
 protected:
  StoreMoveTest() {
    open_store_ = [this](const StoreAddress& address) -> Result<std::unique_ptr<Registry>> {
      if (!open_fails_.empty()) return fail(ErrorKind::denied, open_fails_);
      ++opened_;
      return open_memory_registry(address == kOld ? store_ : new_, kPrefix, loop_);
    };
    // The revisions of the new store are far from those of the old one.
    for (int i = 0; i < 100; ++i)
      new_->put("/other", "10.5.1.0-24", "{}");
    configure(kHostGw);
    put(kPeerKey, peer_of(3, "192.0.2.3"), hours(24));
    EXPECT_EQ(ready_, 1);
  }

  // Copies as `flannelctl store copy` does, and writes the notes.
  void copy(const std::shared_ptr<MemoryStore>& from, const std::shared_ptr<MemoryStore>& to,
            const StoreAddress& from_address, const StoreAddress& to_address, std::string id) {
    const auto plan = plan_copy(from->snapshot(kPrefix), to->snapshot(kPrefix),
                                {from_address, to_address, std::move(id), hours(24), false});
    ASSERT_TRUE(plan) << plan.error().text;
    to->put_config(kPrefix, plan->config_of_to);
    for (const CopyStep& step : plan->steps) {
      if (const auto* create = std::get_if<CopyStep::Create>(&step.act))
        to->put(kPrefix, step.key, create->value, step.ttl, loop_.now());
      if (const auto* replace = std::get_if<CopyStep::Replace>(&step.act))
        to->put(kPrefix, step.key, replace->value, step.ttl, loop_.now());
      if (std::holds_alternative<CopyStep::Remove>(step.act)) to->remove(kPrefix, step.key);
    }
    from->put_config(kPrefix, plan->config_of_from);
    loop_.run_until_idle();
  }
  void copy() { copy(store_, new_, kOld, kNew, "1"); }

  void note(const std::shared_ptr<MemoryStore>& store, const MoveNotes& notes) {
    store->put_config(kPrefix, with_move_notes(kHostGw, notes).value());
    loop_.run_until_idle();
  }
  void retire_old(const std::string& id = "1") {
    note(store_, {.to = MoveNote{id, kNew, true}, .from = {}});
  }
  void complete_new(const std::string& id = "1") {
    note(new_, {.to = {}, .from = MoveNote{id, kOld, true}});
  }

  const Record* record_in(const std::shared_ptr<MemoryStore>& store, const std::string& key) {
    listed_ = store->snapshot(kPrefix);
    for (const Record& record : listed_.records) {
      if (record.key == key) return &record;
    }
    return nullptr;
  }
  // "ours", "a copy", "another's" or "none".
  std::string record_of_ours_in(const std::shared_ptr<MemoryStore>& store) {
    const Record* record = record_in(store, own_key());
    if (record == nullptr) return "none";
    if (has_copy_mark(record->value)) return "a copy";
    const auto lease = decode_lease_value(record->value);
    return lease && lease->public_ip == IpAddress::v4(192, 0, 2, 1) ? "ours" : "another's";
  }
  // A peer whose record is in one store only tells which store the agent uses.
  bool uses(const std::shared_ptr<MemoryStore>& store) {
    store->put(kPrefix, "10.5.200.0-24", peer_of(9, "192.0.2.9"), hours(24), loop_.now());
    loop_.advance(seconds(5));
    const bool seen =
        agent_->peers()->leases().contains({IpPrefix::parse_v4("10.5.200.0/24").value(), {}});
    store->remove(kPrefix, "10.5.200.0-24");
    loop_.advance(seconds(5));
    return seen;
  }
  std::string troubles() const {
    std::string text;
    for (const std::string& trouble : agent_->troubles())
      text += trouble + "\n";
    return text;
  }
  void start_at_new() {
    given_store_ = new_;
    start_agent();
  }

  std::shared_ptr<MemoryStore> new_ = std::make_shared<MemoryStore>();
  std::string open_fails_;
  int opened_ = 0;
  Snapshot listed_;
};

TEST_F(StoreMoveTest, AHostKeepsItsLeaseInBothStoresAndFollowsTheOldOne) {
  const std::string kernel = kernel_.dump();
  const std::string key = own_key();
  copy();
  EXPECT_EQ(own_key(), key);
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(record_of_ours_in(store_), "ours");
  EXPECT_EQ(troubles(), "");
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
  EXPECT_TRUE(troubles().starts_with("store: cannot follow the move to memory: ")) << troubles();
  EXPECT_NE(troubles().find("; the store of before decides, packets go on"), std::string::npos);
  EXPECT_TRUE(agent_->ready());
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(store_));
  new_->set_reachable(true);
  loop_.advance(seconds(60));
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(troubles(), "");
}

TEST_F(StoreMoveTest, WhatCannotBeOpenedIsSaidAndTriedAgain) {
  open_fails_ = "ca.pem: No such file or directory";
  copy();
  EXPECT_EQ(troubles(),
            "store: cannot follow the move between this store and etcd3:http://new:2379: "
            "ca.pem: No such file or directory\n");
  EXPECT_EQ(record_of_ours_in(new_), "a copy");
  open_fails_.clear();
  loop_.advance(seconds(60));
  EXPECT_EQ(record_of_ours_in(new_), "ours");
  EXPECT_EQ(troubles(), "");
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
  EXPECT_EQ(troubles(), "");
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
  EXPECT_EQ(troubles(), "");
}

TEST_F(StoreMoveTest, ANewStoreThatFailsInTheMiddleCostsNothing) {
  copy();
  const std::string kernel = kernel_.dump();
  new_->set_reachable(false);
  loop_.advance(hours(1));
  EXPECT_EQ(kernel_.dump(), kernel);
  EXPECT_TRUE(uses(store_));
  EXPECT_TRUE(troubles().starts_with("store: cannot follow the move to ")) << troubles();
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
  EXPECT_EQ(troubles(), "");
}

TEST_F(StoreMoveTest, ADaemonThatStartsAtTheNewStoreWaitsForTheOldOne) {
  copy();
  store_->set_reachable(false);
  start_at_new();
  loop_.advance(seconds(60));
  EXPECT_EQ(agent_->keeper(), nullptr);
  EXPECT_NE(
      troubles().find("decides until it is retired, and has not answered yet; if it is lost for "
                      "ever: \"flannelctl store retire --force\""),
      std::string::npos)
      << troubles();
  complete_new();
  loop_.advance(seconds(60));
  ASSERT_NE(agent_->keeper(), nullptr);
  EXPECT_TRUE(uses(new_));
  EXPECT_EQ(troubles(), "");
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
  EXPECT_EQ(troubles(), "");
}

TEST_F(StoreMoveTest, BeforeTheNewStoreSaysThatItDecidesOnlyHostsWithALeaseThereStart) {
  copy();
  retire_old();
  start_agent();  // with its lease there
  loop_.advance(seconds(10));
  ASSERT_NE(agent_->keeper(), nullptr);
  new_->remove(kPrefix, own_key());
  agent_.reset();
  start_agent();
  loop_.advance(seconds(10));
  EXPECT_EQ(agent_->keeper(), nullptr);
  EXPECT_NE(troubles().find("\"flannelctl store retire\" has to be run to its end"),
            std::string::npos)
      << troubles();
  complete_new();
  loop_.advance(seconds(10));
  ASSERT_NE(agent_->keeper(), nullptr);
  EXPECT_EQ(troubles(), "");
}

TEST_F(StoreMoveTest, AMoveThatIsGivenUpEndsTheLeaseInTheNewStore) {
  copy();
  configure(kHostGw);
  loop_.advance(hours(48));
  new_->expire(loop_.now());  // no registry of it is open
  EXPECT_EQ(record_of_ours_in(new_), "none");
  EXPECT_EQ(record_of_ours_in(store_), "ours");
  EXPECT_EQ(troubles(), "");
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
  EXPECT_EQ(troubles(), "");
}

TEST_F(StoreMoveTest, ASubnetThatAnotherHostHasInTheNewStoreIsNotTaken) {
  new_->put(kPrefix, own_key(), peer_of(5, "192.0.2.5"), hours(24), loop_.now());
  note(store_, {.to = MoveNote{"1", kNew, false}, .from = {}});
  loop_.advance(seconds(60));
  EXPECT_EQ(record_of_ours_in(new_), "another's");
  EXPECT_NE(troubles().find("192.0.2.5 has " + own_key()), std::string::npos) << troubles();
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
  EXPECT_EQ(troubles(), "");
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
  EXPECT_NE(troubles().find("the notes about moves lead in a circle"), std::string::npos)
      << troubles();
  EXPECT_LT(opened_, 5);
}

TEST_F(StoreMoveTest, ANoteThatCannotBeReadIsSaidAndChangesNothing) {
  configure(R"({"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"},"MovedTo":{"Id":"1"}})");
  EXPECT_EQ(troubles(),
            "store: the note about a move cannot be read: Store in MovedTo: is missing\n");
  EXPECT_TRUE(uses(store_));
}

}  // namespace
}  // namespace flannel::store_move_test
