// SPDX-License-Identifier: Apache-2.0
#include "registry/switchable_registry.h"

#include <gtest/gtest.h>

#include "registry/memory/memory_registry.h"
#include "support/manual_loop.h"

namespace flannel::switchable_registry_test {
namespace {

constexpr const char* kPrefix = "/net";

class SwitchableRegistryTest : public ::testing::Test {
 protected:
  static void count(int& answers, const std::string& what, std::string& last,
                    const Result<Snapshot>& snapshot) {
    ++answers;
    last = what + (snapshot ? std::to_string(snapshot->records.size()) : snapshot.error().text);
  }
  std::shared_ptr<Registry> open(const std::shared_ptr<MemoryStore>& store) {
    return open_memory_registry(store, kPrefix, loop_);
  }

  ManualLoop loop_;
  std::shared_ptr<MemoryStore> old_ = std::make_shared<MemoryStore>();
  std::shared_ptr<MemoryStore> new_ = std::make_shared<MemoryStore>();
  std::unique_ptr<SwitchableRegistry> registry_ =
      std::make_unique<SwitchableRegistry>(open(old_), loop_);
  int answers_ = 0;
  std::string last_;
};

TEST_F(SwitchableRegistryTest, CallsGoToTheStoreOfTheMoment) {
  new_->put(kPrefix, "10.5.1.0-24", "{}");
  const auto ask = [&] {
    registry_->snapshot([&](const Result<Snapshot>& all) { count(answers_, "", last_, all); });
    loop_.run_until_idle();
  };
  ask();
  EXPECT_EQ(last_, "0");
  registry_->switch_to(open(new_));
  ask();
  EXPECT_EQ(last_, "1");
  EXPECT_EQ(answers_, 2);
}

TEST_F(SwitchableRegistryTest, WhatIsUnderWayIsAnsweredOnceInALaterTurn) {
  old_->hold_answers();
  registry_->snapshot([&](const Result<Snapshot>& all) { count(answers_, "", last_, all); });
  loop_.run_until_idle();
  registry_->switch_to(open(new_));
  EXPECT_EQ(answers_, 0);
  loop_.run_until_idle();
  EXPECT_EQ(answers_, 1);
  EXPECT_EQ(last_, "another store is used now, the outcome is not known");
  old_->release_answers();
  loop_.run_until_idle();
  EXPECT_EQ(answers_, 1);
}

TEST_F(SwitchableRegistryTest, NothingIsAnsweredAfterItsEnd) {
  registry_->snapshot([&](const Result<Snapshot>& all) { count(answers_, "", last_, all); });
  const auto shared = registry_->current();
  registry_.reset();
  loop_.run_until_idle();
  EXPECT_EQ(answers_, 0);
}

TEST_F(SwitchableRegistryTest, WatchesLoseTheirPosition) {
  int lost = 0;
  int changes = 0;
  WatchHandle watch =
      registry_->watch(1, {.on_changes = [&](const std::vector<Change>&, Revision) { ++changes; },
                           .on_position_lost =
                               [&] {
                                 ++lost;
                                 watch.reset();
                               },
                           .on_disconnected = [](const Error&) {}});
  WatchHandle ended =
      registry_->watch(1, {.on_changes = [](const std::vector<Change>&, Revision) {},
                           .on_position_lost = [&] { lost += 100; },
                           .on_disconnected = [](const Error&) {}});
  registry_->switch_to(open(new_));
  old_->put(kPrefix, "10.5.1.0-24", "{}");
  ended.reset();
  loop_.run_until_idle();
  EXPECT_EQ(lost, 1);
  EXPECT_EQ(changes, 0);
}

TEST_F(SwitchableRegistryTest, TheEarlierStoreIsReleasedInALaterTurn) {
  const std::weak_ptr<Registry> earlier = registry_->current();
  registry_->switch_to(open(new_));
  EXPECT_FALSE(earlier.expired());
  loop_.run_until_idle();
  EXPECT_TRUE(earlier.expired());
}

}  // namespace
}  // namespace flannel::switchable_registry_test
