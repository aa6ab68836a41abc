// SPDX-License-Identifier: Apache-2.0
// The part of SQLite's C interface that the store needs, with ownership and errors. One thread.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// One prepared statement. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement& number(int parameter, std::optional<std::int64_t> value);  // nullopt: NULL
  Statement& text(int parameter, std::string_view value);               // copied
  Statement& blob(int parameter, std::string_view value);               // copied; any bytes

  // Executes the next step; true if there is a row.
  Result<bool> step();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::string bytes(int column) const;

 private:
  friend class Database;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Statement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

class Database {
 public:
  // Opens the file and creates it if necessary. While another process has it locked, `patience` is
  // called before each further attempt; if it returns false, the call fails with
  // ErrorKind::unavailable.
  static Result<Database> open(const std::string& path, std::function<bool()> patience);

  Result<void> execute(const char* sql);
  Result<Statement> prepare(const char* sql);
  // Returns the first column of the only row of a query; nullopt if there is no row or it is NULL.
  Result<std::optional<std::int64_t>> number(const char* sql);
  // The number of rows that the last statement changed.
  int changes() const { return sqlite3_changes(handle_.get()); }
  // The number of rows that all statements have changed since the file was opened.
  std::int64_t change_count() const { return sqlite3_total_changes64(handle_.get()); }

  // True if the file at our path was deleted or replaced by another one.
  bool moved() const;

 private:
  struct Closer {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  Database(std::unique_ptr<sqlite3, Closer> handle, std::unique_ptr<std::function<bool()>> patience)
      : patience_(std::move(patience)), handle_(std::move(handle)) {}

  std::unique_ptr<std::function<bool()>> patience_;  // outlives the handle that calls it
  std::unique_ptr<sqlite3, Closer> handle_;
};

// A transaction that begins with BEGIN IMMEDIATE and is rolled back if destroyed before commit().
class WriteTransaction {
 public:
  static Result<WriteTransaction> begin(Database& database);
  WriteTransaction(WriteTransaction&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)) {}
  WriteTransaction& operator=(WriteTransaction&&) = delete;
  ~WriteTransaction();
  Result<void> commit();

 private:
  explicit WriteTransaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace flannel
