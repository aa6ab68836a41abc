// SPDX-License-Identifier: Apache-2.0
// The SQLite file, whose format is in docs/sqlite-schema.md. Every call is one transaction; several
// processes may have the file open. One thread. Expiry is in wall-clock time, which is an argument,
// because records must survive a reboot.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "core/registry.h"
#include "registry/sqlite/database.h"

namespace flannel {

using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

inline WallTime wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

class LeaseFile {
 public:
  // Creates the folder (0750), the file (0640) and its tables if they do not exist. `patience` is
  // as in Database. `before_log` is the log of the file that was at this path before it moved, if
  // any, so that it is not mistaken for the log of the new file. ErrorKind::unsupported: a newer
  // release wrote the file; invalid: the file is not a store of flannel.
  static Result<LeaseFile> open(const std::string& path, std::function<bool()> patience,
                                const Fd& before_log = Fd());

  const std::string& id() const { return id_; }  // unique to this file
  bool moved() const { return database_.moved(); }
  std::int64_t change_count() const { return database_.change_count(); }  // by this object
  // Gives up the descriptor of the -wal file. While it is open, no other file has the same inode,
  // so the file can be recognised.
  Fd take_log() { return std::move(log_); }

  // Writes nothing and waits for no lock. Expired records are included until expire() has deleted
  // them, because the history has their deletion only from then on.
  Result<Snapshot> snapshot(std::string_view prefix);
  Result<RemainingLives> remaining_lives(std::string_view prefix, WallTime now);
  Result<WriteResult> create(std::string_view prefix, const std::string& key,
                             std::string_view value, Ttl ttl, WallTime now);
  Result<WriteResult> replace(std::string_view prefix, const Record& seen, std::string_view value,
                              Ttl ttl, WallTime now);
  Result<WriteResult> renew(std::string_view prefix, const Record& seen, Ttl ttl, WallTime now);
  Result<void> release(std::string_view prefix, const Record& seen, WallTime now);
  Result<Revision> write_config(std::string_view prefix, std::string_view text, Revision seen);
  Result<void> remove_config(std::string_view prefix, Revision seen);
  // The prefixes of all networks that have a configuration.
  Result<std::vector<std::string>> configured();

  // Deletes the expired records; true if there were any.
  Result<bool> expire(WallTime now);
  // Returns when the next record expires; nullopt if none ever does.
  Result<std::optional<WallTime>> next_expiry();

  Result<Revision> revision();
  // True if the history still has all changes after `from`.
  Result<bool> remembers(Revision from);
  struct HistoricChange {
    Revision revision = 0;
    Change change;
  };
  // Returns the changes of `prefix` after `from`, at most `limit` of them.
  Result<std::vector<HistoricChange>> history(std::string_view prefix, Revision from, int limit);

 private:
  explicit LeaseFile(Database database) : database_(std::move(database)) {}
  Result<void> prepare();
  Result<void> use_log();
  Result<void> make_schema();

  // 0: there is no configuration.
  Result<Revision> config_revision(std::string_view prefix);
  // Requires a write transaction.
  Result<bool> forget_expired(WallTime now);
  // Returns the state of the record after it was written.
  Result<WriteResult> written(std::string_view prefix, const std::string& key, Ttl ttl);
  // Returns the TTL that the record was last given; nullopt for a reservation. ErrorKind::conflict:
  // the record has changed since `seen`.
  Result<Ttl> unchanged(std::string_view prefix, const Record& seen);

  Database database_;
  std::string id_;
  Fd log_;
};

}  // namespace flannel
