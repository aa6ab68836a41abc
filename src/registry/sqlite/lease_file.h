// SPDX-License-Identifier: Apache-2.0
// The SQLite file: docs/sqlite-schema.md. Every call is one transaction; several processes may
// have the file open. One thread. Wall-clock time is an argument: it outlives a reboot.
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

class LeaseFile {
 public:
  // Makes the folder (0750), the file (0640) and its tables if they are not there. `patience` as
  // in Database. `before_log`: the log of the file that was at this path
  // before it moved, if any; it is not taken for the new file's. ErrorKind::unsupported: written by
  // a newer flannel; invalid: no file of ours.
  static Result<LeaseFile> open(const std::string& path, std::function<bool()> patience,
                                const Fd& before_log = Fd());

  const std::string& id() const { return id_; }  // of this file and no other
  bool moved() const { return database_.moved(); }
  std::int64_t change_count() const { return database_.change_count(); }  // made through us
  // The -wal file, to be recognised: as long as this is open, its inode is no other file's.
  Fd take_log() { return std::move(log_); }

  // Writes nothing and waits for no lock: what has expired is in it until expire() has deleted it,
  // since until then the history does not say that it is gone.
  Result<Snapshot> snapshot(std::string_view prefix);
  Result<Held> create(std::string_view prefix, const std::string& key, std::string_view value,
                      Ttl ttl, WallTime now);
  Result<Held> replace(std::string_view prefix, const Record& seen, std::string_view value, Ttl ttl,
                       WallTime now);
  Result<Held> renew(std::string_view prefix, const Record& seen, Ttl ttl, WallTime now);
  Result<void> release(std::string_view prefix, const Record& seen, WallTime now);
  Result<Revision> write_config(std::string_view prefix, std::string_view text, Revision seen);

  // Deletes what has expired; true if there was any.
  Result<bool> expire(WallTime now);
  // When the next record expires; nothing if none ever does.
  Result<std::optional<WallTime>> next_expiry();

  Result<Revision> revision();
  // All changes after `from` are still known.
  Result<bool> remembers(Revision from);
  struct HistoricChange {
    Revision revision = 0;
    Change change;
  };
  // Those of `prefix` after `from`, at most `limit` of them.
  Result<std::vector<HistoricChange>> history(std::string_view prefix, Revision from, int limit);

 private:
  explicit LeaseFile(Database database) : database_(std::move(database)) {}
  Result<void> prepare();
  Result<void> use_log();
  Result<void> make_schema();

  // Inside a write transaction.
  Result<bool> forget_expired(WallTime now);
  // What is under the key after it was written.
  Result<Held> held(std::string_view prefix, const std::string& key, Ttl ttl);
  // What it was granted last; nothing: a reservation. ErrorKind::conflict: it is not as seen.
  Result<Ttl> unchanged(std::string_view prefix, const Record& seen);

  Database database_;
  std::string id_;
  Fd log_;
};

}  // namespace flannel
