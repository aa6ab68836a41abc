// SPDX-License-Identifier: Apache-2.0
// A store in this process: behind --store=memory, and for tests, which may make it misbehave.
// Thread-safe, so registries on several loops can share one. Prefixes are taken as they come.
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
  // The one that --store=memory means.
  static std::shared_ptr<MemoryStore> process_wide();

  // ---- what a test can do to it ----

  // A stranger writes or deletes, whatever is there. `ttl` counts from `now`.
  Revision put(const std::string& prefix, const std::string& key, const std::string& value,
               Ttl ttl = {}, TimePoint now = {});
  void remove(const std::string& prefix, const std::string& key);
  void put_config(const std::string& prefix, const std::string& text);
  void remove_config(const std::string& prefix);

  // Forgets the history up to now: a watch from an older revision loses its position.
  void compact();
  // As after a restore: running watches lose their position too.
  void lose_positions();
  // Ends every running watch; the store can be reached again at once.
  void disconnect_watches();
  // While unreachable every call and watch fails with ErrorKind::unavailable.
  void set_reachable(bool reachable);
  // The next call (not watch) answers `error` and does nothing.
  void fail_next(Error error);
  // The next call is carried out, but its answer gets lost: it answers `error`.
  void lose_next_answer(Error error);
  // Keeps answers (not watch events) back until release_answers().
  void hold_answers();
  void release_answers();

  // ---- what MemoryRegistry needs ----

  using Work = std::function<void()>;
  // Whose timers have to move when the next expiry does. The token ends it.
  std::uint64_t attach(LoopGate::Sender sender, Work expiry_moved);
  void detach(std::uint64_t token);
  TimePoint next_expiry() const;
  void expire(TimePoint now);

  // The failure that the next call has been told to make, if any; before and after its effect.
  std::optional<Error> failure_before();
  std::optional<Error> failure_after();
  void answer(const LoopGate::Sender& sender, Work work);

  Snapshot snapshot(const std::string& prefix) const;
  // The listener stays the caller's, who ends the watch before it lets go of it.
  std::uint64_t watch(const std::string& prefix, Revision from, LoopGate::Sender sender,
                      std::weak_ptr<WatchListener> listener);
  void end_watch(std::uint64_t token);
  Result<Held> create(const std::string& prefix, const std::string& key, std::string value, Ttl ttl,
                      TimePoint now);
  Result<Held> replace(const std::string& prefix, const Record& seen, std::string value, Ttl ttl,
                       TimePoint now);
  Result<Held> renew(const std::string& prefix, const Record& seen, Ttl ttl, TimePoint now);
  Result<void> release(const std::string& prefix, const Record& seen);
  Result<Revision> write_config(const std::string& prefix, std::string text, Revision seen);

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

  // All with the mutex held.
  Held store(Network& network, const std::string& prefix, Record record, Ttl ttl, TimePoint now);
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
  Revision compacted_ = 0;  // watches from before this one are lost
  std::int64_t next_hold_ = 1;
  std::uint64_t next_token_ = 1;
  std::map<std::uint64_t, Watch> watches_;
  std::map<std::uint64_t, Attached> attached_;
  bool reachable_ = true;
  std::optional<Error> failure_before_, failure_after_;
  std::optional<std::vector<std::pair<LoopGate::Sender, Work>>> held_answers_;
};

}  // namespace flannel
