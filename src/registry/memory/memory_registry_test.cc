// SPDX-License-Identifier: Apache-2.0
// What is special about the memory store: the manual loop's time, and the ways a test can hurt it.
// What every store promises is in conformance_test.cc.
#include "registry/memory/memory_registry.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/manual_loop.h"

namespace flannel::memory_registry_test {
namespace {

using std::chrono::seconds;

constexpr const char* kPrefix = "/coreos.com/network";
constexpr const char* kKey = "10.5.1.0-24";

class MemoryRegistryTest : public ::testing::Test {
 protected:
  Result<WriteResult> create(const std::string& value, Ttl ttl = seconds(60)) {
    std::optional<Result<WriteResult>> answer;
    registry->create_if_absent(kKey, value, ttl, [&](Result<WriteResult> held) { answer = held; });
    loop.run_until_idle();
    return answer.value();
  }

  WatchListener listener() {
    return {.on_changes =
                [this](const std::vector<Change>& changes, Revision) {
                  for (const Change& change : changes) {
                    if (std::holds_alternative<RecordPut>(change)) seen += "put ";
                    if (std::holds_alternative<RecordGone>(change)) seen += "gone ";
                    if (std::holds_alternative<ConfigPut>(change)) seen += "config ";
                    if (std::holds_alternative<ConfigGone>(change)) seen += "no-config ";
                  }
                },
            .on_position_lost = [this] { seen += "lost "; },
            .on_disconnected = [this](const Error&) { seen += "disconnected "; }};
  }

  ManualLoop loop;
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  std::unique_ptr<Registry> registry = open_memory_registry(store, kPrefix, loop);
  std::string seen;
};

TEST_F(MemoryRegistryTest, AnswersComeInALaterTurn) {
  bool answered = false;
  registry->snapshot([&](const Result<Snapshot>&) { answered = true; });
  EXPECT_FALSE(answered);
  loop.run_until_idle();
  EXPECT_TRUE(answered);
}

TEST_F(MemoryRegistryTest, NoAnswerAfterTheRegistryIsGone) {
  bool answered = false;
  registry->snapshot([&](const Result<Snapshot>&) { answered = true; });
  registry.reset();
  loop.run_until_idle();
  EXPECT_FALSE(answered);
}

TEST_F(MemoryRegistryTest, ARecordExpiresByTheLoopsClock) {
  const auto watch = registry->watch(1, listener());
  ASSERT_TRUE(create("a", seconds(60)));
  loop.advance(seconds(59));
  EXPECT_EQ(seen, "put ");
  loop.advance(seconds(1));
  EXPECT_EQ(seen, "put gone ");
}

TEST_F(MemoryRegistryTest, ARecordExpiresThoughTheRegistryThatWroteItIsGone) {
  auto other = open_memory_registry(store, kPrefix, loop);
  const auto watch = other->watch(1, listener());
  ASSERT_TRUE(create("a", seconds(60)));
  registry.reset();
  loop.advance(seconds(60));
  EXPECT_EQ(seen, "put gone ");
}

TEST_F(MemoryRegistryTest, RenewingMovesTheExpiry) {
  const auto watch = registry->watch(1, listener());
  const WriteResult held = create("a", seconds(60)).value();
  loop.advance(seconds(50));
  registry->renew_if_unchanged({kKey, "a", held.revision, held.expiry_handle}, seconds(60),
                               [](const Result<WriteResult>& renewed) { EXPECT_TRUE(renewed); });
  loop.advance(seconds(59));
  EXPECT_EQ(seen, "put ");
  loop.advance(seconds(1));
  EXPECT_EQ(seen, "put gone ");
}

TEST_F(MemoryRegistryTest, AFailedCallDoesNothingAndALostAnswerDoes) {
  const Error away{ErrorKind::unavailable, "away"};
  store->fail_next(away);
  EXPECT_EQ(create("a").error().text, "away");
  store->lose_next_answer(away);
  EXPECT_EQ(create("a").error().text, "away");
  EXPECT_EQ(create("a").error().kind, ErrorKind::exists);
}

TEST_F(MemoryRegistryTest, HeldAnswersComeWhenReleased) {
  int answers = 0;
  store->hold_answers();
  registry->snapshot([&](const Result<Snapshot>&) { ++answers; });
  loop.run_until_idle();
  EXPECT_EQ(answers, 0);
  store->release_answers();
  loop.run_until_idle();
  EXPECT_EQ(answers, 1);
}

TEST_F(MemoryRegistryTest, AnUnreachableStoreEndsWatchesAndFailsCalls) {
  const auto watch = registry->watch(1, listener());
  store->set_reachable(false);
  EXPECT_EQ(create("a").error().kind, ErrorKind::unavailable);
  const auto another = registry->watch(1, listener());
  loop.run_until_idle();
  EXPECT_EQ(seen, "disconnected disconnected ");
  store->set_reachable(true);
  store->put(kPrefix, kKey, "b");
  loop.run_until_idle();
  EXPECT_EQ(seen, "disconnected disconnected ") << "an ended watch stays ended";
  const auto resumed = registry->watch(1, listener());
  loop.run_until_idle();
  EXPECT_EQ(seen, "disconnected disconnected put ");
}

TEST_F(MemoryRegistryTest, ACompactedStoreLosesOldPositionsOnly) {
  const auto running = registry->watch(1, listener());
  const Revision now = store->put(kPrefix, kKey, "a");
  store->compact();
  const auto old = registry->watch(now - 1, listener());
  const auto current = registry->watch(now, listener());
  loop.run_until_idle();
  EXPECT_EQ(seen, "put lost ");
  seen.clear();
  store->lose_positions();
  loop.run_until_idle();
  EXPECT_EQ(seen, "lost lost ");
}

TEST_F(MemoryRegistryTest, NetworksDoNotSeeEachOther) {
  auto other = open_memory_registry(store, "/other/network", loop);
  const auto watch = other->watch(1, listener());
  ASSERT_TRUE(create("a"));
  store->put_config(kPrefix, "{}");
  other->snapshot([](const Result<Snapshot>& all) {
    EXPECT_FALSE(all->config);
    EXPECT_TRUE(all->records.empty());
  });
  loop.run_until_idle();
  EXPECT_EQ(seen, "");
}

}  // namespace
}  // namespace flannel::memory_registry_test
