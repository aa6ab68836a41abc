// SPDX-License-Identifier: Apache-2.0
// The interface to a store in which hosts lease subnets: its feed, and conditional writes.
// Implementations: src/registry/*. The rules for calls and callbacks are those of StoreFeed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/store_feed.h"

namespace flannel {

// The time that a record lives without renewal. nullopt: for ever (a reservation).
using Ttl = std::optional<std::chrono::seconds>;

// The result of a write: what a later conditional write needs to identify the record.
struct WriteResult {
  Revision revision = 0;
  ExpiryHandle expiry_handle = {};
  Ttl ttl = {};  // granted by the store, counted from the time of sending; nullopt: reservation

  bool expires() const { return !expiry_handle.empty(); }
};

// The networks of a store, by their names in the keys PREFIX/NAME/config.
struct NetworkList {
  std::vector<std::string> names;     // sorted
  std::vector<std::string> unusable;  // sorted; names that no network can have, untrusted texts

  bool operator==(const NetworkList&) const = default;
};

class Registry : public StoreFeed {
 public:
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

  // Deletes the configuration if its revision is still `seen`, which is not 0. ErrorKind::conflict
  // as above.
  virtual void remove_config(Revision seen, Reply<void> reply) = 0;

  // Returns all networks that have a configuration. PREFIX is that of this registry.
  virtual void list_networks(Reply<NetworkList> reply) = 0;
};

}  // namespace flannel
