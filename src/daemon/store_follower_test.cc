// SPDX-License-Identifier: Apache-2.0
#include "daemon/store_follower.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "registry/memory/memory_registry.h"
#include "support/chances.h"
#include "support/manual_loop.h"

namespace flannel::store_follower_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kPrefix = "/coreos.com/network";

// A store that keeps no history, as Consul.
class WithoutHistory final : public StoreFeed {
 public:
  explicit WithoutHistory(StoreFeed& real) : real_(real) {}
  std::string describe() const override { return real_.describe(); }
  std::string config_key() const override { return real_.config_key(); }
  bool repeats_history() const override { return false; }
  void snapshot(Reply<Snapshot> reply) override { real_.snapshot(std::move(reply)); }
  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override {
    real_.remaining_lives(std::move(records), std::move(reply));
  }
  WatchHandle watch(Revision from, WatchListener listener) override {
    return real_.watch(from, std::move(listener));
  }

 private:
  StoreFeed& real_;
};

class StoreFollowerTest : public ::testing::Test {
 protected:
  void put(int leases) {
    for (int i = 0; i < leases; ++i) {
      const std::string key = fmt::format("10.{}.{}.0-24", i / 256, i % 256);
      store_->put(kPrefix, key, "{}", std::nullopt, loop_.now());
    }
  }
  void follow(int leases) {
    put(leases);
    follower_.start();
    loop_.advance(seconds(10));  // the watch has stood
    lists_ = follower_.counters().snapshots;
  }
  // So long it took until the next list was there.
  Duration listed_after() {
    Duration waited{};
    while (follower_.counters().snapshots == lists_ && waited < seconds(60)) {
      loop_.advance(milliseconds(10));
      waited += milliseconds(10);
    }
    lists_ = follower_.counters().snapshots;
    return waited;
  }

  ManualLoop loop_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  std::unique_ptr<Registry> registry_ = open_memory_registry(store_, kPrefix, loop_);
  WithoutHistory feed_{*registry_};
  StoreFollower follower_{feed_,
                          loop_,
                          last_chance,
                          {.on_snapshot = [](const Snapshot&) {},
                           .on_changes = [](const std::vector<Change>&) {},
                           .on_connection = [] {}}};
  std::uint64_t lists_ = 0;
};

TEST_F(StoreFollowerTest, AFewHostsListAgainAtOnce) {
  follow(3);
  store_->disconnect_watches();
  EXPECT_LE(listed_after(), milliseconds(220));
}

TEST_F(StoreFollowerTest, ManyHostsSpreadTheirLists) {
  follow(5000);
  store_->disconnect_watches();
  const Duration waited = listed_after();
  EXPECT_GT(waited, seconds(20));
  EXPECT_LT(waited, seconds(21));
}

TEST_F(StoreFollowerTest, LeasesCreatedSinceTheListExtendThePauses) {
  follow(0);
  put(1000);
  loop_.run_until_idle();
  store_->disconnect_watches();
  EXPECT_GT(listed_after(), seconds(4));
}

TEST_F(StoreFollowerTest, RecordsThatAreNoLeasesExtendNoPause) {
  for (int i = 0; i < 3000; ++i)
    store_->put(kPrefix, fmt::format("listed-{}", i), "{}", std::nullopt, loop_.now());
  follow(3);
  for (int i = 0; i < 3000; ++i)
    store_->put(kPrefix, fmt::format("other-{}", i), "{}", std::nullopt, loop_.now());
  loop_.run_until_idle();
  store_->disconnect_watches();
  EXPECT_LE(listed_after(), milliseconds(220));
}

TEST_F(StoreFollowerTest, ThePauseIsBoundedForAnyNumberOfLeases) {
  follow(9000);
  store_->disconnect_watches();
  EXPECT_LE(listed_after(), StoreFollower::kLongestSpread + milliseconds(220));
}

TEST_F(StoreFollowerTest, AfterALostPositionHostsListWithPauses) {
  follow(5000);
  store_->lose_positions();
  EXPECT_GT(listed_after(), seconds(19));
}

TEST_F(StoreFollowerTest, AWatchThatLostItsPositionCountsAsEnded) {
  follow(2000);  // a list after a break waits for 8 s
  for (int breaks = 0; breaks < 2; ++breaks) {
    store_->disconnect_watches();
    loop_.run_until_idle();
    listed_after();
  }
  EXPECT_FALSE(follower_.connected()) << "the watch before broke at once, this one has to stand";
  store_->lose_positions();
  loop_.advance(seconds(7));
  EXPECT_FALSE(follower_.connected()) << "there is no watch";
  loop_.advance(seconds(10));
  EXPECT_TRUE(follower_.connected());
}

TEST_F(StoreFollowerTest, TheFollowerIsUpToDateFromAListUntilTheNextIsDue) {
  follow(1000);
  EXPECT_TRUE(follower_.is_up_to_date());
  store_->lose_positions();
  loop_.run_until_idle();
  EXPECT_FALSE(follower_.is_up_to_date());
  EXPECT_TRUE(follower_.connected()) << "that is no failure";
  listed_after();
  EXPECT_TRUE(follower_.is_up_to_date());
  follower_.start();
  EXPECT_FALSE(follower_.is_up_to_date()) << "the answer is out";
  loop_.run_until_idle();
  EXPECT_TRUE(follower_.is_up_to_date());
  store_->disconnect_watches();
  loop_.run_until_idle();
  EXPECT_FALSE(follower_.is_up_to_date());
}

}  // namespace
}  // namespace flannel::store_follower_test
