#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "migrator/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace cardswap {

class Database;

/// A prepared statement; it must end before its database. Parameters are numbered from 1, columns
/// from 0. Throws as its database does. It holds its own copy of what is bound.
class Statement {
 public:
  void bind(int parameter, std::string_view text) const;
  void bind(int parameter, std::int64_t number) const;
  /// Goes on to the next row; false: there is no further row.
  [[nodiscard]] bool next_row() const;
  /// Runs a statement that returns no row. It may be bound and run again.
  void run() const;

  /// A column of the present row; empty or 0 for NULL. Only after next_row() was true.
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;

 private:
  friend class Database;
  /// Ends a statement of SQLite.
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  Statement(const Database& database, sqlite3_stmt* raw) : database_(database), raw_(raw) {}

  const Database& database_;
  const std::unique_ptr<sqlite3_stmt, Finalize> raw_;
};

/// A connection to the journal's file: SQLite in WAL mode with synchronous=FULL, so that a write is
/// on disk when its call returns. Every failure is thrown; none looks like the end of the rows.
/// Throws Error{corrupt} if the file is damaged or a statement does not fit its tables, and
/// Error{io} if the disk is full or cannot be read, or if somebody else holds the file for more
/// than 2 s, for which a call waits. After Error{io} the file is whole, and the call may be
/// repeated. One thread.
class Database {
 public:
  /// Opens the file, or makes it. Error texts call it `what`, such as "journal".
  Database(const std::filesystem::path& file, std::string what);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] Statement prepare(const std::string& sql) const;
  /// Runs statements that have no parameters and return nothing.
  void run(const char* sql) const;

 private:
  friend class Statement;
  friend class Transaction;
  /// Closes SQLite's connection.
  struct Close {
    void operator()(sqlite3* db) const noexcept;
  };
  /// What SQLite says went wrong in its last call: "write the journal: ...". `hint` is replaced if
  /// the file is damaged.
  [[nodiscard]] Error failure(std::string_view doing, std::string_view hint) const;

  std::string what_;
  std::unique_ptr<sqlite3, Close> db_;
};

/// Makes several writes one: unless commit() returned, none of them has happened. Throws as its
/// database does.
class Transaction {
 public:
  explicit Transaction(const Database& database) : database_(database) {
    database.run("BEGIN IMMEDIATE");
  }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

}  // namespace cardswap
