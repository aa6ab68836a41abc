// SPDX-License-Identifier: Apache-2.0
// What a store reports: a directory of leases and one configuration, with one history of revisions.
// A store whose records other programs make has a feed only; registry.h adds the writes.
//
// All calls are made on the loop thread and return at once. Each callback runs exactly once, on the
// loop thread, in a later turn; it never runs after the feed was destroyed. Every implementation
// has a deadline for every call to a remote side.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/subscription.h"

namespace flannel {

// A state of one store, as the store numbers it; 0: none. Two revisions of one store are equal if
// they are of the same change, and of two that one feed has reported the greater is the later one.
// Nothing else may be read from the number: not how many changes lie between two, and nothing
// across two stores. A store that was restored or replaced may go back, or reach a number again
// with other content. Code that orders revisions says why it may.
using Revision = std::int64_t;

template <typename T>
using Reply = std::function<void(Result<T>)>;

// What lets a record expire: an id or a time that has a meaning only to the store that made it.
// Empty: the record does not expire (a reservation).
using ExpiryHandle = std::string;

// One lease record as it is stored. Its texts are not parsed, and any client may have written them.
struct Record {
  std::string key;        // below <prefix>/subnets/: "10.5.52.0-24"
  std::string value;      // JSON
  Revision revision = 0;  // of the last change of this record
  ExpiryHandle expiry_handle = {};
  // The revision of its creation, which changes of its value do not change; 0: unknown. It orders
  // the records of one feed by age, which decides between leases that exclude each other.
  Revision created = 0;
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

// How long records live on if nobody renews them, by their keys. A reservation is absent, and so is
// a record whose life the store does not know.
struct RemainingLives {
  std::map<std::string, std::chrono::seconds> left;  // 0: the record has ended
  // The life that the last write or renewal gave to a record, as long as that life lasts. A record
  // is absent if the store does not know.
  std::map<std::string, std::chrono::seconds> granted = {};
  // False if the store does not know when a record was last renewed: `left` has the life that a
  // renewal gives.
  bool exact = true;
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

// The number of failed attempts to use a remote store, by cause.
struct StoreFailures {
  std::uint64_t transport = 0;  // refused, broken, no route
  std::uint64_t silence = 0;    // no answer in time, on an open connection
  std::uint64_t cancelled = 0;  // a watch that the store ended
  std::uint64_t denied = 0;     // credentials, permissions, a token that expired

  bool operator==(const StoreFailures&) const = default;
};

class StoreFeed {
 public:
  virtual ~StoreFeed() = default;

  // "etcd v3 at http://127.0.0.1:2379", for the log; no secrets.
  virtual std::string describe() const = 0;

  // The place of the configuration, for people: "/coreos.com/network/config".
  virtual std::string config_key() const = 0;

  // Failures since the store was opened; a local store has none.
  virtual StoreFailures failures() const { return {}; }

  virtual void snapshot(Reply<Snapshot> reply) = 0;

  // Returns how long these records live on. A record that was written again since it was listed may
  // have the life of either, and one that was deleted the life that it had.
  virtual void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) = 0;

  // True if a watch from an earlier revision reports the changes since then once more: each with
  // its revision and its content, as it was reported first. By them a follower sees that the store
  // still has the history that it knows. May be false until a list has succeeded.
  virtual bool repeats_history() const { return true; }

  // The name of the history that a watch repeats, where a store has more than one, as etcd has one
  // for each API; empty: there is one only, or it is not decided yet which is used.
  virtual std::string history_name() const { return {}; }
  // This host has known the history of this name: until a list decides, it is the one that is used.
  virtual void expect_history(const std::string& /*name*/) {}
  // The history that is expected is proven: it is the one that is used from now on.
  virtual void use_expected_history() {}

  // Reports all changes after `from`, beginning with the next revision.
  [[nodiscard]] virtual WatchHandle watch(Revision from, WatchListener listener) = 0;
};

}  // namespace flannel
