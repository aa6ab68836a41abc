// SPDX-License-Identifier: Apache-2.0
// An agent in a cluster that can move from one store to another.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/move_notes.h"
#include "core/record_limits.h"
#include "core/store_copy.h"
#include "support/agent_fixture.h"

namespace flannel {

inline const StoreAddress kOld = StoreAddress::parse("etcd2:http://old:2379").value();
inline const StoreAddress kNew = StoreAddress::parse("etcd3:http://new:2379").value();
inline constexpr const char* kPeerKey = "10.5.77.0-24";

inline std::string peer_of(int node, const std::string& public_ip) {
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
    put(kPeerKey, peer_of(3, "192.0.2.3"), std::chrono::hours(24));
    EXPECT_EQ(ready_, 1);
  }

  // Copies as `flannelctl store copy` does, and writes the notes.
  void copy(const std::shared_ptr<MemoryStore>& from, const std::shared_ptr<MemoryStore>& to,
            const StoreAddress& from_address, const StoreAddress& to_address, std::string id) {
    const auto plan =
        plan_copy(from->snapshot(kPrefix), to->snapshot(kPrefix),
                  {from_address, to_address, std::move(id), std::chrono::hours(24), false});
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
    store->put(kPrefix, "10.5.200.0-24", peer_of(9, "192.0.2.9"), std::chrono::hours(24),
               loop_.now());
    loop_.advance(std::chrono::seconds(5));
    const bool seen = agent_->network()->peers().leases().contains(
        {IpPrefix::parse_v4("10.5.200.0/24").value(), {}});
    store->remove(kPrefix, "10.5.200.0-24");
    loop_.advance(std::chrono::seconds(5));
    return seen;
  }
  std::string all_problems() const {
    std::string text;
    for (const std::string& one : problems())
      text += one + "\n";
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

}  // namespace flannel
