// SPDX-License-Identifier: Apache-2.0
// Followers of an etcd cluster as the daemons of so many hosts are: the code that follows the
// store, and nothing else. bench/follower_load.py runs it.
//
//   follower_load HOSTS resume|lists ENDPOINT,ENDPOINT...
//
// Each follower sends what its host would send. With `lists` a broken watch costs a list, as with a
// store that does not repeat its history. Twenty followers share a connection, and the members are
// first endpoints in turn. A line of the standard output says how many have heard of the last
// value of the key that the environment variable MARKER names, and what they have done so far.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "daemon/store_follower.h"
#include "loop/epoll_loop.h"
#include "loop/timer.h"
#include "registry/open_registry.h"
#include "registry/store_sessions.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kStartedAtOnce = 20;
constexpr auto kBetweenStarts = milliseconds(100);
constexpr auto kBetweenLines = milliseconds(20);

// A store that says of itself that it does not repeat its history.
class ListedFeed final : public StoreFeed {
 public:
  ListedFeed(StoreFeed& store, bool lists) : store_(store), lists_(lists) {}
  std::string describe() const override { return store_.describe(); }
  std::string config_key() const override { return store_.config_key(); }
  void snapshot(Reply<Snapshot> reply) override { store_.snapshot(std::move(reply)); }
  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override {
    store_.remaining_lives(std::move(records), std::move(reply));
  }
  bool repeats_history() const override { return !lists_ && store_.repeats_history(); }
  WatchHandle watch(Revision from, WatchListener listener) override {
    return store_.watch(from, std::move(listener));
  }

 private:
  StoreFeed& store_;
  const bool lists_;
};

class Follower {
 public:
  Follower(const StoreOptions& options, bool lists, std::string marker, Loop& loop)
      : registry_(open_registry(options, loop).value()),
        feed_(*registry_, lists),
        marker_(std::move(marker)),
        follower_(feed_, loop, make_random(),
                  {.on_snapshot = [this](const Snapshot& all) { on_snapshot(all); },
                   .on_changes = [this](const auto& changes) { on_changes(changes); },
                   .on_connection = [] {}}) {}

  void start() { follower_.start(); }
  const std::string& heard() const { return heard_; }
  const StoreFollower& follower() const { return follower_; }

 private:
  void on_snapshot(const Snapshot& all) {
    for (const Record& record : all.records)
      hear(record);
  }
  void on_changes(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      if (const auto* put = std::get_if<RecordPut>(&change)) hear(put->record);
    }
  }
  void hear(const Record& record) {
    if (record.key == marker_) heard_ = record.value;
  }

  std::unique_ptr<Registry> registry_;
  ListedFeed feed_;
  std::string marker_;  // a key
  std::string heard_;   // its value
  StoreFollower follower_;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') parts.emplace_back();
    if (c != ',') parts.back() += c;
  }
  return parts;
}

void print(const std::vector<std::unique_ptr<Follower>>& all) {
  std::size_t current = 0, heard = 0;
  FollowerCounters sum;
  std::string last;
  for (const auto& one : all) {
    const FollowerCounters& counters = one->follower().counters();
    sum.snapshots += counters.snapshots;
    sum.resumed += counters.resumed;
    sum.refuted += counters.refuted;
    sum.positions_lost += counters.positions_lost;
    current += one->follower().is_up_to_date() ? 1 : 0;
    last = std::max(last, one->heard());
  }
  for (const auto& one : all)
    heard += one->heard() == last ? 1 : 0;
  fmt::print("marker={} heard={} following={} lists={} resumed={} refuted={} lost={}\n", last,
             heard, current, sum.snapshots, sum.resumed, sum.refuted, sum.positions_lost);
  std::fflush(stdout);
}

int run(std::size_t hosts, bool lists, std::vector<std::string> endpoints, const char* marker) {
  const auto loop = EpollLoop::open().value();
  StoreSessions sessions(*loop);
  std::vector<std::unique_ptr<Follower>> all;
  Timer report(*loop, [&] {
    print(all);
    report.arm_after(kBetweenLines);
  });
  Timer start(*loop, [&] {
    StoreOptions options;
    // The sessions own themselves for as long as this program runs.
    options.sessions = std::shared_ptr<StoreSessions>(std::shared_ptr<void>(), &sessions);
    options.endpoints = endpoints;
    for (std::size_t i = 0; i < kStartedAtOnce && all.size() < hosts; ++i) {
      all.push_back(std::make_unique<Follower>(options, lists, marker, *loop));
      all.back()->start();
    }
    std::rotate(endpoints.begin(), endpoints.begin() + 1, endpoints.end());
    if (all.size() < hosts) return start.arm_after(kBetweenStarts);
    report.arm(loop->now());
  });
  start.arm(loop->now());
  return loop->run() ? 0 : 1;
}

}  // namespace
}  // namespace flannel

int main(int count, char** words) {
  const char* marker = std::getenv("MARKER");
  if (count != 4 || marker == nullptr) {
    std::fprintf(stderr, "MARKER=KEY follower_load HOSTS resume|lists ENDPOINT,ENDPOINT...\n");
    return 2;
  }
  flannel::log::set_least_level(flannel::log::Level::nothing);
  return flannel::run(std::strtoul(words[1], nullptr, 10), std::string(words[2]) == "lists",
                      flannel::split(words[3]), marker);
}
