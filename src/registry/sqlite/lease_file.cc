// SPDX-License-Identifier: Apache-2.0
#include "registry/sqlite/lease_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/fd.h"
#include "base/lock_file.h"
#include "core/record_limits.h"
#include "registry/sqlite/schema.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The TTL of a record that was written by hand with an expiry but without a TTL, as upstream's.
constexpr std::int64_t kHandWrittenTtl_s = 86400;

std::int64_t to_number(WallTime when) {
  return when.time_since_epoch().count();
}

std::optional<std::int64_t> expiry(Ttl ttl, WallTime now) {
  if (!ttl) return std::nullopt;
  return to_number(now + *ttl);
}

std::optional<std::int64_t> in_seconds(Ttl ttl) {
  if (!ttl) return std::nullopt;
  return ttl->count();
}

ExpiryHandle expiry_handle(const Statement& row, int column) {
  return row.is_null(column) ? ExpiryHandle() : std::to_string(row.integer(column));
}

// Columns: key, value, revision, expires, created. A row of the history has no `created` when the
// change itself created the record.
Record read_record(const Statement& row) {
  return {row.bytes(0), row.bytes(1), row.integer(2), expiry_handle(row, 3),
          row.is_null(4) ? row.integer(2) : row.integer(4)};
}

bool is_there(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

bool is_same_file(const Fd& fd, const std::string& path) {
  struct stat one {};
  struct stat other {};
  return fd && ::fstat(fd.get(), &one) == 0 && ::stat(path.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

Result<void> make_folder(const std::filesystem::path& folder) {
  if (folder.empty() || is_there(folder.string())) return {};
  TRY(make_folder(folder.parent_path()));
  if (::mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST) {
    return os_error("make folder " + folder.string());
  }
  return {};
}

// The lock file is readable only by its owner, because any user can lock a file that he can read.
Result<Fd> lock_file(const std::string& path, const std::function<bool()>& patience) {
  LockFile file = TRY(LockFile::open(path));
  while (!TRY(file.lock(0, LockFile::Kind::exclusive))) {
    if (!patience()) return fail(ErrorKind::unavailable, path + " stays locked by another process");
  }
  return file.take_fd();
}

// Earlier releases lock the folder while they open the file. Any user who can read the folder can
// lock it too, so the lock is awaited only for a limited time.
Fd keep_earlier_releases_out(const std::string& folder, const std::function<bool()>& patience) {
  Fd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  while (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || !patience()) break;
  }
  return fd;
}

// Creates the file with its final mode. Otherwise another user could open it before the mode is
// set, and with that descriptor take the locks of SQLite.
Result<void> make_file(const std::string& path) {
  const Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!fd) return os_error("make " + path);
  if (::fchmod(fd.get(), 0640) != 0) return os_error("chmod " + path);
  return {};
}

}  // namespace

Result<void> LeaseFile::prepare() {
  // A small cache: the whole store of a large network is some hundred kilobytes.
  TRY(database_.execute("PRAGMA cache_size = -256"));
  TRY(database_.execute("PRAGMA synchronous = FULL"));
  TRY(use_log());
  TRY(make_schema());
  Statement query = TRY(database_.prepare("SELECT id FROM store"));
  TRY(query.step());
  id_ = query.bytes(0);
  return {};
}

// Write-ahead logging: readers and one writer at the same time, and a file that inotify sees.
Result<void> LeaseFile::use_log() {
  Statement journal = TRY(database_.prepare("PRAGMA journal_mode = WAL"));
  TRY(journal.step());
  if (journal.bytes(0) == "wal") return {};
  return fail(ErrorKind::unsupported, "its file system cannot be shared by several processes");
}

Result<void> LeaseFile::make_schema() {
  if (TRY(database_.number("PRAGMA user_version")) == kSqliteSchema) return {};
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  const auto version = TRY(database_.number("PRAGMA user_version"));
  if (version == kSqliteSchema) return {};  // another process has just made it
  if (version > kSqliteSchema) {
    return fail(ErrorKind::unsupported, "it was written by a newer flannel");
  }
  const bool first = version == 1;
  if (!first && TRY(database_.number("SELECT count(*) FROM sqlite_master")) != 0) {
    return fail(ErrorKind::invalid, "it is a database of something else");
  }
  TRY(database_.execute(first ? kSqliteFromVersion1 : kSqliteTables));
  TRY(database_.execute(kSqliteRecordTriggers));
  return transaction.commit();
}

Result<LeaseFile> LeaseFile::open(const std::string& path, std::function<bool()> patience,
                                  const Fd& before_log) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  TRY(make_folder(folder));
  // One process at a time, so that none removes the log that another has just begun.
  const auto lock = lock_file(path + "-lock", patience);
  const bool stays_locked = !lock && lock.error().kind == ErrorKind::unavailable;
  // In a folder that is not writable no log is removed.
  if (stays_locked || (!lock && !is_there(path))) return Failure(lock.error());
  const std::string log = path + "-wal";
  Fd folder_lock;
  if (!is_there(path) || is_same_file(before_log, log)) {
    folder_lock = keep_earlier_releases_out(folder.empty() ? "." : folder.string(), patience);
    const bool made_meanwhile = !is_same_file(before_log, log) && is_there(path);
    if (!made_meanwhile) {
      ::unlink(log.c_str());
      ::unlink((path + "-shm").c_str());
    }
    if (!is_there(path)) TRY(make_file(path));
  }
  Database database = TRY(Database::open(path, std::move(patience)));
  LeaseFile file(std::move(database));
  TRY(file.prepare());
  file.log_ = Fd{::open(log.c_str(), O_PATH | O_CLOEXEC)};
  return file;
}

Result<Snapshot> LeaseFile::snapshot(std::string_view prefix) {
  TRY(database_.execute("BEGIN"));  // one view for all reads below
  auto taken = [&]() -> Result<Snapshot> {
    Snapshot all;
    all.revision = TRY(revision());
    Statement config = TRY(database_.prepare("SELECT text, revision FROM config WHERE prefix = ?"));
    config.text(1, prefix);
    if (TRY(config.step())) all.config = ConfigRecord{config.bytes(0), config.integer(1)};
    Statement records = TRY(database_.prepare(
        "SELECT key, value, revision, expires, created FROM record WHERE prefix = ? "
        "ORDER BY key"));
    records.text(1, prefix);
    while (TRY(records.step()))
      all.records.push_back(within_limits(read_record(records)));
    return all;
  }();
  // After some failures SQLite has already rolled back, so an error of this rollback is ignored.
  if (!taken) {
    (void)database_.execute("ROLLBACK");
    return taken;
  }
  TRY(database_.execute("COMMIT"));
  return taken;
}

Result<RemainingLives> LeaseFile::remaining_lives(std::string_view prefix, WallTime now) {
  Statement rows = TRY(database_.prepare(
      "SELECT key, expires, ttl FROM record WHERE prefix = ? AND expires NOT NULL"));
  rows.text(1, prefix);
  RemainingLives lives;
  while (TRY(rows.step())) {
    const milliseconds left{std::max<std::int64_t>(0, rows.integer(1) - to_number(now))};
    const std::string key = key_within_limits(rows.bytes(0));
    lives.left[key] = std::chrono::floor<seconds>(left);
    if (!rows.is_null(2)) lives.granted[key] = seconds(rows.integer(2));
  }
  return lives;
}

Result<WriteResult> LeaseFile::create(std::string_view prefix, const std::string& key,
                                      std::string_view value, Ttl ttl, WallTime now) {
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  TRY(forget_expired(now));
  Statement insert =
      TRY(database_.prepare("INSERT INTO record (prefix, key, value, ttl, expires) "
                            "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"));
  insert.text(1, prefix).text(2, key).blob(3, value);
  insert.number(4, in_seconds(ttl)).number(5, expiry(ttl, now));
  TRY(insert.step());
  if (database_.changes() == 0) return fail(ErrorKind::exists, "there already");
  WriteResult created = TRY(written(prefix, key, ttl));
  TRY(transaction.commit());
  return created;
}

Result<WriteResult> LeaseFile::replace(std::string_view prefix, const Record& seen,
                                       std::string_view value, Ttl ttl, WallTime now) {
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  TRY(forget_expired(now));
  TRY(unchanged(prefix, seen));
  Statement update = TRY(database_.prepare(
      "UPDATE record SET value = ?, ttl = ?, expires = ? WHERE prefix = ? AND key = ?"));
  update.blob(1, value).number(2, in_seconds(ttl)).number(3, expiry(ttl, now));
  update.text(4, prefix).text(5, seen.key);
  TRY(update.step());
  WriteResult replaced = TRY(written(prefix, seen.key, ttl));
  TRY(transaction.commit());
  return replaced;
}

Result<WriteResult> LeaseFile::renew(std::string_view prefix, const Record& seen, Ttl ttl,
                                     WallTime now) {
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  TRY(forget_expired(now));
  const Ttl granted = TRY(unchanged(prefix, seen));
  if (!granted || !ttl) ttl = granted;       // a reservation has nothing to extend
  Statement update = TRY(database_.prepare(  // without the value, so that no watch reports it
      "UPDATE record SET ttl = ?, expires = ? WHERE prefix = ? AND key = ?"));
  update.number(1, in_seconds(ttl)).number(2, expiry(ttl, now)).text(3, prefix).text(4, seen.key);
  TRY(update.step());
  WriteResult renewed = TRY(written(prefix, seen.key, ttl));
  TRY(transaction.commit());
  return renewed;
}

Result<void> LeaseFile::release(std::string_view prefix, const Record& seen, WallTime now) {
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  TRY(forget_expired(now));
  TRY(unchanged(prefix, seen));
  Statement remove = TRY(database_.prepare("DELETE FROM record WHERE prefix = ? AND key = ?"));
  remove.text(1, prefix).text(2, seen.key);
  TRY(remove.step());
  return transaction.commit();
}

Result<Revision> LeaseFile::config_revision(std::string_view prefix) {
  Statement query = TRY(database_.prepare("SELECT revision FROM config WHERE prefix = ?"));
  query.text(1, prefix);
  return TRY(query.step()) ? query.integer(0) : 0;
}

Result<Revision> LeaseFile::write_config(std::string_view prefix, std::string_view text,
                                         Revision seen) {
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  if (TRY(config_revision(prefix)) != seen)
    return fail(ErrorKind::conflict, "changed since it was read");
  Statement write =
      TRY(database_.prepare("INSERT INTO config (prefix, text) VALUES (?, ?) "
                            "ON CONFLICT DO UPDATE SET text = excluded.text"));
  write.text(1, prefix).blob(2, text);
  TRY(write.step());
  const Revision written = TRY(revision());
  TRY(transaction.commit());
  return written;
}

Result<void> LeaseFile::remove_config(std::string_view prefix, Revision seen) {
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  const Revision there = TRY(config_revision(prefix));
  if (there == 0 || there != seen) return fail(ErrorKind::conflict, "changed since it was read");
  Statement remove = TRY(database_.prepare("DELETE FROM config WHERE prefix = ?"));
  remove.text(1, prefix);
  TRY(remove.step());
  return transaction.commit();
}

Result<std::vector<std::string>> LeaseFile::configured() {
  Statement query = TRY(database_.prepare("SELECT prefix FROM config"));
  std::vector<std::string> prefixes;
  while (TRY(query.step()))
    prefixes.push_back(query.bytes(0));
  return prefixes;
}

Result<bool> LeaseFile::expire(WallTime now) {
  const auto next = TRY(next_expiry());
  if (!next || *next > now) return false;
  WriteTransaction transaction = TRY(WriteTransaction::begin(database_));
  const bool any = TRY(forget_expired(now));
  TRY(transaction.commit());
  return any;
}

Result<std::optional<WallTime>> LeaseFile::next_expiry() {
  const auto next =
      TRY(database_.number("SELECT min(expires) FROM record WHERE expires IS NOT NULL"));
  if (!next) return std::nullopt;
  return WallTime(milliseconds(*next));
}

Result<Revision> LeaseFile::revision() {
  const auto last = TRY(database_.number("SELECT seq FROM sqlite_sequence WHERE name = 'history'"));
  return last.value_or(0);
}

Result<bool> LeaseFile::remembers(Revision from) {
  const Revision last = TRY(revision());
  const auto oldest = TRY(database_.number("SELECT min(revision) FROM history"));
  return from == last || (from < last && oldest && *oldest <= from + 1);
}

Result<std::vector<LeaseFile::HistoricChange>> LeaseFile::history(std::string_view prefix,
                                                                  Revision from, int limit) {
  Statement query =
      TRY(database_.prepare("SELECT key, value, revision, expires, created, change FROM history "
                            "WHERE revision > ? AND prefix = ? ORDER BY revision LIMIT ?"));
  query.number(1, from).text(2, prefix).number(3, limit);
  std::vector<HistoricChange> changes;
  while (TRY(query.step())) {
    Record row = read_record(query);
    const Revision revision = row.revision;
    const std::string kind = query.bytes(5);
    if (kind == "put") {
      changes.push_back({revision, RecordPut{within_limits(std::move(row))}});
    } else if (kind == "gone") {
      changes.push_back({revision, RecordGone{key_within_limits(std::move(row.key)), revision}});
    } else if (kind == "config") {
      changes.push_back({revision, ConfigPut{{std::move(row.value), revision}}});
    } else if (kind == "no config") {
      changes.push_back({revision, ConfigGone{revision}});
    }
  }
  return changes;
}

Result<bool> LeaseFile::forget_expired(WallTime now) {
  Statement remove = TRY(database_.prepare("DELETE FROM record WHERE expires <= ?"));
  remove.number(1, to_number(now));
  TRY(remove.step());
  return database_.changes() > 0;
}

Result<WriteResult> LeaseFile::written(std::string_view prefix, const std::string& key, Ttl ttl) {
  Statement query =
      TRY(database_.prepare("SELECT revision, expires FROM record WHERE prefix = ? AND key = ?"));
  query.text(1, prefix).text(2, key);
  TRY(query.step());
  return WriteResult{query.integer(0), expiry_handle(query, 1), ttl};
}

Result<Ttl> LeaseFile::unchanged(std::string_view prefix, const Record& seen) {
  Statement query =
      TRY(database_.prepare("SELECT revision, ttl, expires, CAST(value AS BLOB) = ? FROM record "
                            "WHERE prefix = ? AND key = ?"));
  query.blob(1, seen.value).text(2, prefix).text(3, seen.key);
  if (!TRY(query.step())) return fail(ErrorKind::conflict, "it is gone");
  const bool same_value = seen.left_out > 0 || query.integer(3) == 1;
  if (query.integer(0) != seen.revision || !same_value) {
    return fail(ErrorKind::conflict, "changed since it was read");
  }
  if (query.is_null(2)) return Ttl();
  return Ttl(seconds(query.is_null(1) ? kHandWrittenTtl_s : query.integer(1)));
}

}  // namespace flannel
