// SPDX-License-Identifier: Apache-2.0
// A store in the memory of this process, for --store=memory and for tests, which can also make it
// fail. Thread-safe, so registries on several loops can share one. Prefixes are not cleaned.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/registry.h"
#include "loop/loop_gate.h"

namespace flannel {

class MemoryStore {
 public:
  // Returns the store of --store=memory.
  static std::shared_ptr<MemoryStore> process_wide();

  // ---- what a test can do to it ----

  // A stranger writes or deletes, whatever is there. `ttl` counts from `now`.
  Revision put(const std::string& prefix, const std::string& key, const std::string& value,
               Ttl ttl = {}, TimePoint now = {});
  void remove(const std::string& prefix, const std::string& key);
  void put_config(const std::string& prefix, const std::string& text);
  void remove_config(const std::string& prefix);

  // Discards the history: a watch from an older revision loses its position.
  void compact();
  // Makes running watches lose their position too, as after a restore.
  void lose_positions();
  // Disconnects every running watch. The store stays reachable.
  void disconnect_watches();
  // While unreachable every call and watch fails with ErrorKind::unavailable.
  void set_reachable(bool reachable);
  // Makes the next call (not watch) fail with `error` and without effect.
  void fail_next(Error error);
  // Makes the next call take effect but fail with `error`, as if its answer were lost.
  void lose_next_answer(Error error);
  // Delays answers (not watch events) until release_answers().
  void hold_answers();
  void release_answers();

  // ---- for MemoryRegistry ----

  using Work = std::function<void()>;
  // Calls `expiry_moved` whenever next_expiry() changes, until detach() with the returned token.
  std::uint64_t attach(LoopGate::Sender sender, Work expiry_moved);
  void detach(std::uint64_t token);
  TimePoint next_expiry() const;
  void expire(TimePoint now);

  // Return the failure that a test has requested for the next call, before and after its effect.
  std::optional<Error> failure_before();
  std::optional<Error> failure_after();
  void answer(const LoopGate::Sender& sender, Work work);

  Snapshot snapshot(const std::string& prefix) const;
  RemainingLives remaining_lives(const std::string& prefix, TimePoint now) const;
  // The caller owns the listener and calls end_watch() before it releases the listener.
  std::uint64_t watch(const std::string& prefix, Revision from, LoopGate::Sender sender,
                      std::weak_ptr<WatchListener> listener);
  void end_watch(std::uint64_t token);
  Result<WriteResult> create(const std::string& prefix, const std::string& key, std::string value,
                             Ttl ttl, TimePoint now);
  Result<WriteResult> replace(const std::string& prefix, const Record& seen, std::string value,
                              Ttl ttl, TimePoint now);
  Result<WriteResult> renew(const std::string& prefix, const Record& seen, Ttl ttl, TimePoint now);
  Result<void> release(const std::string& prefix, const Record& seen);
  Result<Revision> write_config(const std::string& prefix, std::string text, Revision seen);
  Result<void> remove_config(const std::string& prefix, Revision seen);
  NetworkList networks(const std::string& prefix) const;

 private:
  struct Entry {
    Record record;
    Ttl ttl;
    TimePoint expires = kNever;
  };
  struct Network {
    std::map<std::string, Entry> records;
    std::optional<ConfigRecord> config;
  };
  struct Event {
    std::string prefix;
    Change change;
    Revision revision = 0;
  };
  struct Watch {
    std::string prefix;
    LoopGate::Sender sender;
    std::weak_ptr<WatchListener> listener;  // used and destroyed on its loop's thread
  };
  struct Attached {
    LoopGate::Sender sender;
    Work expiry_moved;
  };

  // The functions below require that the mutex is locked.
  WriteResult store(Network& network, const std::string& prefix, Record record, Ttl ttl,
                    TimePoint now);
  Result<Entry*> unchanged(const std::string& prefix, const Record& seen);
  void drop(const std::string& prefix, const std::string& key);
  void set_config(const std::string& prefix, std::optional<std::string> text);
  void publish(const std::string& prefix, Change change);
  void send_changes(const Watch& watch, const Change& change, Revision revision) const;
  void disconnect_all();
  void expiry_moved();

  mutable std::mutex mutex_;
  std::map<std::string, Network> networks_;
  std::deque<Event> history_;
  Revision revision_ = 1;   // an empty store has a position too
  Revision compacted_ = 0;  // watches from an older revision lose their position
  std::int64_t next_handle_ = 1;
  std::uint64_t next_token_ = 1;
  std::map<std::uint64_t, Watch> watches_;
  std::map<std::uint64_t, Attached> attached_;
  bool reachable_ = true;
  std::optional<Error> failure_before_, failure_after_;
  std::optional<std::vector<std::pair<LoopGate::Sender, Work>>> held_answers_;
};

}  // namespace flannel
