// SPDX-License-Identifier: Apache-2.0
#include "registry/sqlite/database.h"

#include <cstring>
#include <utility>

namespace flannel {
namespace {

ErrorKind kind_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return ErrorKind::unavailable;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return ErrorKind::denied;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return ErrorKind::exhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorKind::invalid;
    default:
      return ErrorKind::system;
  }
}

Failure failure(sqlite3* handle) {
  std::string text = sqlite3_errmsg(handle);
  const int code = sqlite3_extended_errcode(handle);
  const int cause = sqlite3_system_errno(handle);
  const bool of_the_system = (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_IOERR;
  if (!of_the_system || cause == 0) return fail(kind_of(code), std::move(text));
  text.append(": ").append(std::strerror(cause));  // NOLINT(concurrency-mt-unsafe): glibc's is safe
  return fail(kind_of_errno(cause), std::move(text));
}

int ask_patience(void* patience, int) {
  return (*static_cast<std::function<bool()>*>(patience))() ? 1 : 0;
}

}  // namespace

Statement& Statement::number(int parameter, std::optional<std::int64_t> value) {
  if (value) {
    sqlite3_bind_int64(statement_.get(), parameter, *value);
  } else {
    sqlite3_bind_null(statement_.get(), parameter);
  }
  return *this;
}

Statement& Statement::text(int parameter, std::string_view value) {
  sqlite3_bind_text64(statement_.get(), parameter, value.empty() ? "" : value.data(), value.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::blob(int parameter, std::string_view value) {
  sqlite3_bind_blob64(statement_.get(), parameter, value.empty() ? "" : value.data(), value.size(),
                      SQLITE_TRANSIENT);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure(database_);
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

Result<Database> Database::open(const std::string& path, std::function<bool()> patience) {
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<sqlite3, Closer> handle(raw);
  if (raw == nullptr) return fail(ErrorKind::exhausted, "open: no memory");
  if (code != SQLITE_OK) return failure(raw);
  sqlite3_extended_result_codes(raw, 1);
  auto kept = std::make_unique<std::function<bool()>>(std::move(patience));
  sqlite3_busy_handler(raw, ask_patience, kept.get());
  return Database(std::move(handle), std::move(kept));
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failure(handle_.get());
  }
  return {};
}

Result<Statement> Database::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(handle_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) {
    return failure(handle_.get());
  }
  return Statement(handle_.get(), statement);
}

Result<std::optional<std::int64_t>> Database::number(const char* sql) {
  Statement query = TRY(prepare(sql));
  if (!TRY(query.step()) || query.is_null(0)) return std::nullopt;
  return query.integer(0);
}

bool Database::moved() const {
  int moved = 0;
  sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

Result<WriteTransaction> WriteTransaction::begin(Database& database) {
  // IMMEDIATE takes the write lock now, so that what is read in the transaction cannot change.
  TRY(database.execute("BEGIN IMMEDIATE"));
  return WriteTransaction(database);
}

WriteTransaction::~WriteTransaction() {
  if (database_ != nullptr) (void)database_->execute("ROLLBACK");
}

Result<void> WriteTransaction::commit() {
  TRY(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace flannel
