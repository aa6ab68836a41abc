// SPDX-License-Identifier: Apache-2.0
// How often the keeper's questions go to the store.
#include "daemon/lease_runner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "daemon/problem_list.h"
#include "registry/memory/memory_registry.h"
#include "support/chances.h"
#include "support/manual_loop.h"

namespace flannel::lease_runner_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kPrefix = "/coreos.com/network";

class CountedRegistry final : public Registry {
 public:
  explicit CountedRegistry(std::unique_ptr<Registry> real) : real_(std::move(real)) {}
  int lists = 0;
  int refused = 0;
  bool refuse = false;  // to create anything, in the words of a store

  std::string describe() const override { return real_->describe(); }
  std::string config_key() const override { return real_->config_key(); }
  void snapshot(Reply<Snapshot> reply) override {
    ++lists;
    real_->snapshot(std::move(reply));
  }
  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override {
    real_->remaining_lives(std::move(records), std::move(reply));
  }
  WatchHandle watch(Revision from, WatchListener listener) override {
    return real_->watch(from, std::move(listener));
  }
  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override {
    if (refuse) {
      ++refused;
      return real_->snapshot([key, reply](const Result<Snapshot>&) {
        reply(fail(ErrorKind::unavailable, "create /net/subnets/" + key + ": database full"));
      });
    }
    real_->create_if_absent(std::move(key), std::move(value), ttl, std::move(reply));
  }
  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override {
    real_->replace_if_unchanged(std::move(seen), std::move(value), ttl, std::move(reply));
  }
  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override {
    real_->renew_if_unchanged(std::move(seen), ttl, std::move(reply));
  }
  void release_if_unchanged(Record seen, Reply<void> reply) override {
    real_->release_if_unchanged(std::move(seen), std::move(reply));
  }
  void write_config(std::string text, Revision seen, Reply<Revision> reply) override {
    real_->write_config(std::move(text), seen, std::move(reply));
  }
  void remove_config(Revision seen, Reply<void> reply) override {
    real_->remove_config(seen, std::move(reply));
  }
  void list_networks(Reply<NetworkList> reply) override { real_->list_networks(std::move(reply)); }

 private:
  std::unique_ptr<Registry> real_;
};

// One host that holds its lease, among `kPeers` others.
class LeaseRunnerTest : public ::testing::Test {
 protected:
  static constexpr int kPeers = 1000;  // a list after a break waits for 4.2 s

  void SetUp() override {
    log::set_least_level(log::Level::nothing);
    for (int i = 0; i < kPeers; ++i) {
      const std::string key = fmt::format("10.{}.{}.0-24", 100 + i / 256, i % 256);
      store_->put(kPrefix, key, R"({"PublicIP":"192.0.2.2"})");
    }
    follower_.start();
    loop_.advance(minutes(1));
    ASSERT_TRUE(holds());
    registry_.lists = 0;
  }
  void TearDown() override { log::set_least_level(log::Level::info); }

  void on_snapshot(const Snapshot& all) {
    if (runner_) return runner_->on_snapshot(all);
    const NetworkConfig config = parse_network_config(R"({"Network":"10.0.0.0/8"})")->config;
    const auto announce = [](const Lease*) {
      return LeaseAttributes{.public_ip = IpAddress::v4(192, 0, 2, 1), .backend_type = "udp"};
    };
    runner_.emplace(LeaseKeeper({.ttl = minutes(30), .renew_margin = minutes(10)}, config,
                                IpAddress::v4(192, 0, 2, 1), announce, std::nullopt, random_),
                    registry_, follower_, loop_,
                    LeaseRunner::Listener{.on_active = [](const Lease&) {},
                                          .on_state = [this] { log_problems(); }});
    runner_->start(all);
  }
  void log_problems() {
    std::vector<Problem> all;
    runner_->append_problems(all);
    list_.update(std::move(all), loop_.now());
  }
  // The lease expires meanwhile, and the renewal finds that out before the list that is due.
  void renew_after_an_outage() {
    store_->set_reachable(false);
    loop_.advance(minutes(40));
    loop_.advance(runner_->keeper().next_wakeup() - loop_.now() - milliseconds(1));
    ASSERT_FALSE(follower_.is_up_to_date());
    store_->set_reachable(true);
    registry_.lists = 0;
    loop_.advance(milliseconds(2));
    ASSERT_FALSE(holds()) << "it was not the renewal: this test shows nothing";
  }
  bool holds() const { return runner_->keeper().phase() == LeasePhase::active; }
  std::string key() const { return encode_subnet_key(runner_->keeper().lease()->subnet); }
  bool is_in_store() const {
    const Snapshot all = store_->snapshot(kPrefix);
    return std::ranges::find(all.records, key(), &Record::key) != all.records.end();
  }

  ManualLoop loop_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  CountedRegistry registry_{open_memory_registry(store_, kPrefix, loop_)};
  StoreFollower follower_{registry_,
                          loop_,
                          last_chance,
                          {.on_snapshot = [this](const Snapshot& all) { on_snapshot(all); },
                           .on_changes =
                               [this](const std::vector<Change>& changes) {
                                 for (const Change& change : changes)
                                   if (runner_) runner_->on_change(change);
                               },
                           .on_connection = [] {}}};
  ProblemList list_;
  std::optional<LeaseRunner> runner_;
  Random random_ = last_chance;
};

TEST_F(LeaseRunnerTest, ALeaseMissingInASnapshotIsAcquiredFromThatSnapshot) {
  store_->disconnect_watches();
  store_->remove(kPrefix, key());
  loop_.advance(minutes(1));
  EXPECT_EQ(registry_.lists, 1);
  EXPECT_TRUE(holds());
  EXPECT_TRUE(is_in_store());
}

TEST_F(LeaseRunnerTest, ARenewalThatFindsAnExpiredLeaseWaitsForTheListThatIsDue) {
  renew_after_an_outage();
  EXPECT_EQ(registry_.lists, 0);
  loop_.advance(minutes(1));
  EXPECT_EQ(registry_.lists, 1);
  EXPECT_TRUE(holds());
  EXPECT_TRUE(is_in_store());
}

TEST_F(LeaseRunnerTest, ARenewalOfADeletedLeaseDoesNotWaitForTheListThatIsDue) {
  loop_.advance(runner_->keeper().next_wakeup() - loop_.now() - seconds(1));
  store_->disconnect_watches();
  store_->remove(kPrefix, key());
  loop_.advance(seconds(2));
  EXPECT_EQ(registry_.lists, 1);
  EXPECT_TRUE(holds());
  EXPECT_TRUE(is_in_store());
}

TEST_F(LeaseRunnerTest, ALeaseThatGoesDuringAWatchIsAcquiredFromAListOfItsOwn) {
  store_->remove(kPrefix, key());
  loop_.advance(milliseconds(100));
  EXPECT_EQ(registry_.lists, 1);
  EXPECT_TRUE(holds());
  EXPECT_TRUE(is_in_store());
}

TEST_F(LeaseRunnerTest, TheListThatIsDueIsAwaitedThroughAnotherOutage) {
  renew_after_an_outage();
  store_->set_reachable(false);
  loop_.advance(minutes(10));
  EXPECT_FALSE(holds());
  store_->set_reachable(true);
  loop_.advance(minutes(1));
  EXPECT_TRUE(holds());
  EXPECT_TRUE(is_in_store());
}

TEST_F(LeaseRunnerTest, ARefusalIsLoggedOnceForAllSubnets) {
  runner_.reset();
  random_ = [next = std::uint64_t{0}](std::uint64_t bound) mutable { return next++ % bound; };
  for (const Record& record : store_->snapshot(kPrefix).records) {
    if (record.value.find("192.0.2.1\"") != std::string::npos) store_->remove(kPrefix, record.key);
  }
  registry_.refuse = true;
  int said = 0;
  log::set_least_level(log::Level::info);
  log::capture([&said](std::string_view line) { said += line.starts_with("no lease yet"); });
  follower_.list_again();
  loop_.advance(minutes(10));
  log::capture({});
  EXPECT_GT(registry_.refused, 3);
  EXPECT_EQ(said, 1);
}

}  // namespace
}  // namespace flannel::lease_runner_test
