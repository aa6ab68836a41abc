// SPDX-License-Identifier: Apache-2.0
// The interface to the store: a directory of leases and one configuration, with one history of
// revisions. Implementations: src/registry/*.
//
// All calls are made on the loop thread and return at once. Each callback runs exactly once, on the
// loop thread, in a later turn; it never runs after the registry was destroyed. Every
// implementation has a deadline for every call to a remote side.
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

// The store's counter of changes, which grows with each one. 0: none.
using Revision = std::int64_t;

template <typename T>
using Reply = std::function<void(Result<T>)>;

// What lets a record expire: an id or a time that has a meaning only to the store that made it.
// Empty: the record does not expire (a reservation).
using ExpiryHandle = std::string;

// The time that a record lives without renewal. nullopt: for ever (a reservation).
using Ttl = std::optional<std::chrono::seconds>;

// One lease record as it is stored. Its texts are not parsed, and any client may have written them.
struct Record {
  std::string key;        // below <prefix>/subnets/: "10.5.52.0-24"
  std::string value;      // JSON
  Revision revision = 0;  // of the last change of this record
  ExpiryHandle expiry_handle = {};
  Revision created = 0;      // of its creation; changes of its value do not change it; 0: unknown
  std::size_t left_out = 0;  // bytes of a value that is not held (record_limits.h)

  // `created` is not compared: key and revision determine it.
  bool operator==(const Record& other) const {
    return key == other.key && value == other.value && revision == other.revision &&
           expiry_handle == other.expiry_handle;
  }
  bool expires() const { return !expiry_handle.empty(); }
};

struct ConfigRecord {
  std::string text;
  Revision revision = 0;
  bool operator==(const ConfigRecord&) const = default;
};

// The whole content of the store at one revision.
struct Snapshot {
  Revision revision = 0;  // a watch from here continues without a gap
  std::optional<ConfigRecord> config;
  std::vector<Record> records;  // sorted by key
};

// A change after the snapshot. A watch reports three different types of events: changes, a lost
// position (list again), and a lost connection (watch again from the last revision).
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
  // Changes in order; one call has all changes of a store revision. `revision`: resume here.
  // Without changes only the position has moved, because of changes elsewhere in the store.
  std::function<void(const std::vector<Change>& changes, Revision revision)> on_changes;
  // The store's history is gone (compacted, cleared, restored): take a snapshot and compare. Ends
  // the watch.
  std::function<void()> on_position_lost;
  // The store cannot be reached or ended the watch. Ends the watch; resume from the last revision.
  std::function<void(Error)> on_disconnected;
};

// Its destruction ends the watch: no listener is called afterwards.
using WatchHandle = SubscriptionPtr;

// The result of a write: what a later conditional write needs to identify the record.
struct WriteResult {
  Revision revision = 0;
  ExpiryHandle expiry_handle = {};
  Ttl ttl = {};  // granted by the store, counted from the time of sending; nullopt: reservation

  bool expires() const { return !expiry_handle.empty(); }
};

// The number of failed attempts to use a remote store, by cause.
struct StoreFailures {
  std::uint64_t transport = 0;  // refused, broken, no route
  std::uint64_t silence = 0;    // no answer in time, on an open connection
  std::uint64_t cancelled = 0;  // a watch that the store ended
  std::uint64_t denied = 0;     // credentials, permissions, a token that expired

  bool operator==(const StoreFailures&) const = default;
};

class Registry {
 public:
  virtual ~Registry() = default;

  // "etcd v3 at http://127.0.0.1:2379", for the log; no secrets.
  virtual std::string describe() const = 0;

  // The place of the configuration, for people: "/coreos.com/network/config".
  virtual std::string config_key() const = 0;

  // Failures since the registry was opened; a local store has none.
  virtual StoreFailures failures() const { return {}; }

  virtual void snapshot(Reply<Snapshot> reply) = 0;

  // Reports all changes after `from`, beginning with the next revision.
  [[nodiscard]] virtual WatchHandle watch(Revision from, WatchListener listener) = 0;

  // Writes `value` if the key does not exist. ErrorKind::exists: it does.
  virtual void create_if_absent(std::string key, std::string value, Ttl ttl,
                                Reply<WriteResult> reply) = 0;

  // Writes `value` if the record still has the revision and the value of `seen`: a store that was
  // restored from a backup may reach the same revision with another record. A value that was left
  // out is taken as equal. An empty `ttl` makes the record a reservation. The expiry handle is
  // kept as long as it is valid; a new one replaces the old one. ErrorKind::conflict: the record
  // was changed or removed.
  virtual void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                                    Reply<WriteResult> reply) = 0;

  // Extends the life of the record to `ttl` if it still equals `seen`. The record does not change,
  // and watchers see nothing, except that a record of an earlier run with another TTL may be put
  // once more unchanged. ErrorKind::conflict as above.
  virtual void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) = 0;

  // Deletes the record if it still equals `seen`. ErrorKind::conflict as above.
  virtual void release_if_unchanged(Record seen, Reply<void> reply) = 0;

  // Writes the configuration if its revision is still `seen` (0: if there is none yet).
  // ErrorKind::conflict as above.
  virtual void write_config(std::string text, Revision seen, Reply<Revision> reply) = 0;
};

}  // namespace flannel
