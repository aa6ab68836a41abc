// SPDX-License-Identifier: Apache-2.0
// A store seen by a test that wants to read like a story: each call waits for its answer, turning
// the real loop meanwhile; the reports of a watch are a text.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/registry.h"
#include "loop/epoll_loop.h"

namespace flannel {

// The real loop, with a patience: what takes longer is a failure of the test.
class PatientLoop {
 public:
  static constexpr std::chrono::seconds kPatience{30};

  EpollLoop& loop() { return *loop_; }
  // What a callback calls when it has something that until() may wait for.
  void check() { loop_->stop(); }

  // Turns until `reached`; false if that does not come.
  bool until(const std::function<bool()>& reached) {
    bool patient = true;
    const auto guard = loop_->at(BootClock::now() + kPatience, [&] {
      patient = false;
      check();
    });
    while (!reached() && patient) {
      if (!loop_->run()) return false;
    }
    return reached();
  }

  void pass(Duration time) {
    bool over = false;
    const auto timer = loop_->at(BootClock::now() + time, [&] {
      over = true;
      check();
    });
    until([&] { return over; });
  }

 private:
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::open().value();
};

// A registry whose calls wait.
class BlockingRegistry {
 public:
  BlockingRegistry(std::unique_ptr<Registry> registry, PatientLoop& loop)
      : registry_(std::move(registry)), loop_(loop) {}

  Registry& registry() { return *registry_; }
  void close() { registry_.reset(); }

  Result<Snapshot> snapshot() {
    return answer<Snapshot>([&](auto reply) { registry_->snapshot(reply); });
  }
  Result<RemainingLives> remaining_lives(std::vector<Record> records) {
    return answer<RemainingLives>(
        [&](auto reply) { registry_->remaining_lives(std::move(records), reply); });
  }
  Result<WriteResult> create(const std::string& key, const std::string& value, Ttl ttl) {
    return answer<WriteResult>(
        [&](auto reply) { registry_->create_if_absent(key, value, ttl, reply); });
  }
  Result<WriteResult> replace(const Record& seen, const std::string& value, Ttl ttl) {
    return answer<WriteResult>(
        [&](auto reply) { registry_->replace_if_unchanged(seen, value, ttl, reply); });
  }
  Result<WriteResult> renew(const Record& seen, Ttl ttl) {
    return answer<WriteResult>(
        [&](auto reply) { registry_->renew_if_unchanged(seen, ttl, reply); });
  }
  Result<void> release(const Record& seen) {
    return answer<void>([&](auto reply) { registry_->release_if_unchanged(seen, reply); });
  }
  Result<Revision> write_config(const std::string& text, Revision seen) {
    return answer<Revision>([&](auto reply) { registry_->write_config(text, seen, reply); });
  }
  Result<void> remove_config(Revision seen) {
    return answer<void>([&](auto reply) { registry_->remove_config(seen, reply); });
  }
  Result<NetworkList> networks() {
    return answer<NetworkList>([&](auto reply) { registry_->list_networks(reply); });
  }

  template <typename T>
  Result<T> answer(const std::function<void(Reply<T>)>& ask) {
    // Shared, because an impatient test goes on while the answer may still come.
    auto got = std::make_shared<std::optional<Result<T>>>();
    ask([got, &loop = loop_](Result<T> result) {
      got->emplace(std::move(result));
      loop.check();
    });
    if (!loop_.until([&] { return got->has_value(); })) {
      return fail(ErrorKind::system, "the test ran out of patience");
    }
    return **std::move(got);
  }

 private:
  std::unique_ptr<Registry> registry_;
  PatientLoop& loop_;
};

inline constexpr std::chrono::seconds kDay{86400};
inline const std::string kOne = "10.5.1.0-24";
inline const std::string kTwo = "10.5.2.0-24";

inline Record record_of(const std::string& key, const std::string& value, const WriteResult& held) {
  return {key, value, held.revision, held.expiry_handle};
}

// The reports of a watch: "put KEY=VALUE", "gone KEY", "config TEXT", "no config", "position lost",
// "disconnected", each with a newline; "|\n" ends one call of on_changes that had changes.
class WatchLog {
 public:
  WatchLog(BlockingRegistry& session, Revision from, PatientLoop& loop)
      : loop_(loop), reached_(from) {
    watch_ = session.registry().watch(from, listener());
  }

  const std::string& text() const { return text_; }
  Revision reached() const { return reached_; }
  const Error& error() const { return error_; }
  // The creation revision of each put.
  const std::vector<Revision>& created() const { return created_; }
  const std::vector<Change>& changes() const { return changes_; }
  void drop() { watch_.reset(); }

  // Waits until `what` has been reported `times`.
  bool reports(const std::string& what, int times = 1) {
    return loop_.until([&] { return count(what) >= times; });
  }
  int count(const std::string& what) const {
    int found = 0;
    for (auto at = text_.find(what); at != std::string::npos; at = text_.find(what, at + 1)) {
      ++found;
    }
    return found;
  }

 private:
  WatchListener listener() {
    return {.on_changes =
                [this](const std::vector<Change>& changes, Revision revision) {
                  for (const Change& change : changes)
                    write(change);
                  changes_.insert(changes_.end(), changes.begin(), changes.end());
                  if (!changes.empty()) text_ += "|\n";
                  reached_ = revision;
                  loop_.check();
                },
            .on_position_lost =
                [this] {
                  text_ += "position lost\n";
                  loop_.check();
                },
            .on_disconnected =
                [this](Error error) {
                  text_ += "disconnected\n";
                  error_ = std::move(error);
                  loop_.check();
                }};
  }

  void write(const Change& change) {
    if (const auto* put = std::get_if<RecordPut>(&change)) {
      created_.push_back(put->record.created);
      text_ += "put " + put->record.key + "=" + put->record.value + "\n";
    } else if (const auto* gone = std::get_if<RecordGone>(&change)) {
      text_ += "gone " + gone->key + "\n";
    } else if (const auto* config = std::get_if<ConfigPut>(&change)) {
      text_ += "config " + config->config.text + "\n";
    } else {
      text_ += "no config\n";
    }
  }

  PatientLoop& loop_;
  std::string text_;
  Revision reached_;
  Error error_;
  std::vector<Change> changes_;
  std::vector<Revision> created_;
  WatchHandle watch_;
};

}  // namespace flannel
