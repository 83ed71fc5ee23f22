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

/// A prepared statement, which dies before its database. Parameters are counted from 1, columns
/// from 0. Throws as its database does.
class Statement {
 public:
  void bind(int parameter, std::string_view text) const;
  void bind(int parameter, std::int64_t number) const;
  /// Goes on to the next row; false: there is none.
  [[nodiscard]] bool next_row() const;
  /// Runs one that returns no row, and makes it ready for the next time.
  void run() const;

  /// A text of the present row; empty for NULL.
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

/// A connection to the journal's file: SQLite, in WAL mode and with synchronous=FULL, so that a
/// write is on disk when its call returns. Errors are never taken for the end of the rows: each
/// call throws Error{corrupt} if the file is damaged. It throws Error{io} if the disk is full or
/// cannot be read, or if somebody else holds the file; that passes, and leaves the file whole. One
/// thread.
class Database {
 public:
  /// Opens or makes the file. `what` errors call it: "journal".
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
  /// What SQLite says went wrong just now: "write the journal: ..."; `hint` unless it is damage.
  [[nodiscard]] Error failure(std::string_view doing, std::string_view hint) const;

  std::string what_;
  std::unique_ptr<sqlite3, Close> db_;
};

/// Several writes that are one: what is not committed when it ends has not happened.
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
