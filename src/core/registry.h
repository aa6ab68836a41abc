// SPDX-License-Identifier: Apache-2.0
// The store as the rest of the program sees it: a directory of leases and one configuration,
// with one history of revisions. Implementations: src/registry/*.
//
// All calls are made on the loop thread and return at once; each callback runs exactly once,
// on the loop thread, in a later turn, unless the registry is destroyed first: then never.
// Every implementation puts a deadline on every call to a remote side.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/subscription.h"

namespace flannel {

// The store's own counter of changes; grows with each one. 0: nothing.
using Revision = std::int64_t;

template <typename T>
using Reply = std::function<void(Result<T>)>;

// How long a record lives without renewal. Nothing: for ever (a reservation).
using Ttl = std::optional<std::chrono::seconds>;

// One lease record as it is stored; texts are not parsed yet, whatever a stranger put there.
struct Record {
  std::string key;        // below <prefix>/subnets/: "10.5.52.0-24"
  std::string value;      // JSON
  Revision revision = 0;  // of the last change of this record
  std::int64_t hold = 0;  // what keeps it alive: etcd's lease id, sqlite's expiry; 0: reservation
  Revision created = 0;   // when the record came to be; changes of its value leave it; 0: not known
  std::size_t left_out = 0;  // bytes of a value that is not kept (record_limits.h)

  // When it was created follows from key and revision, which tell all states of all records apart.
  bool operator==(const Record& other) const {
    return key == other.key && value == other.value && revision == other.revision &&
           hold == other.hold;
  }
};

struct ConfigRecord {
  std::string text;
  Revision revision = 0;
  bool operator==(const ConfigRecord&) const = default;
};

// Everything at one moment.
struct Snapshot {
  Revision revision = 0;  // a watch from here continues without a gap
  std::optional<ConfigRecord> config;
  std::vector<Record> records;  // sorted by key
};

// A change after the snapshot. The three kinds of news from a watch are three types: changes,
// "your position is gone, list again", "the connection is gone, ask again from where you were".
struct RecordPut {
  Record record;
};
struct RecordGone {  // released, expired or deleted by hand
  std::string key;
  Revision revision = 0;
};
struct ConfigPut {
  ConfigRecord config;
};
struct ConfigGone {
  Revision revision = 0;
};
using Change = std::variant<RecordPut, RecordGone, ConfigPut, ConfigGone>;

struct WatchListener {
  // Changes in order; all changes of one store revision come in one call. `revision`: resume here.
  // Without changes only the position has moved, by what happened elsewhere in the store.
  std::function<void(const std::vector<Change>& changes, Revision revision)> on_changes;
  // The history before now is gone (compacted, cleared, restored): take a snapshot and diff. Ends
  // the watch.
  std::function<void()> on_position_lost;
  // The store cannot be reached or ended the watch. Ends the watch; resume from the last revision.
  std::function<void(Error)> on_disconnected;
};

// Dropping it ends the watch: no listener is called afterwards.
using WatchHandle = SubscriptionPtr;

// Held and current: what a conditional write needs to name the record it is about.
struct Held {
  Revision revision = 0;
  std::int64_t hold = 0;
  Ttl ttl;  // what the store granted, counted from the moment of sending; nothing: reservation
};

// What went wrong between us and a remote store, each failed attempt by its cause.
struct StoreFailures {
  std::uint64_t transport = 0;  // refused, broken, no route
  std::uint64_t silence = 0;    // no answer in time, on a connection that stands
  std::uint64_t cancelled = 0;  // a watch that the store ended
  std::uint64_t denied = 0;     // credentials, permissions, a token that expired

  bool operator==(const StoreFailures&) const = default;
};

class Registry {
 public:
  virtual ~Registry() = default;

  // "etcd v3 at http://127.0.0.1:2379", for the log; no secrets.
  virtual std::string describe() const = 0;

  // Where the configuration is looked for, for people: "/coreos.com/network/config".
  virtual std::string config_key() const = 0;

  // Counted since the registry was opened; a local store has none.
  virtual StoreFailures failures() const { return {}; }

  virtual void snapshot(Reply<Snapshot> reply) = 0;

  // Everything after `from`, beginning with the very next revision.
  [[nodiscard]] virtual WatchHandle watch(Revision from, WatchListener listener) = 0;

  // Writes `value` if there is no such key. ErrorKind::exists: somebody has it.
  virtual void create_if_absent(std::string key, std::string value, Ttl ttl, Reply<Held> reply) = 0;

  // Writes `value` if the record still has the revision and the value of `seen`: a store that went
  // back to a backup may come to the same revision with another record. A value that was left out
  // counts as seen. `ttl` empty turns it into a
  // reservation. The hold is kept if there is one and it still lives; a new one never leaves the
  // old one behind. ErrorKind::conflict: somebody changed or removed it.
  virtual void replace_if_unchanged(Record seen, std::string value, Ttl ttl, Reply<Held> reply) = 0;

  // Extends the life of the record to `ttl` without changing it, if it is still as it was seen.
  // Watchers of other hosts see nothing; of a record from an earlier run that had another TTL they
  // may see it put once more as it was. ErrorKind::conflict as above.
  virtual void renew_if_unchanged(Record seen, Ttl ttl, Reply<Held> reply) = 0;

  // Deletes the record if it is still as it was seen. ErrorKind::conflict as above.
  virtual void release_if_unchanged(Record seen, Reply<void> reply) = 0;

  // Writes the configuration if it is still at `revision` (0: if there is none yet).
  // ErrorKind::conflict as above.
  virtual void write_config(std::string text, Revision seen, Reply<Revision> reply) = 0;
};

}  // namespace flannel
