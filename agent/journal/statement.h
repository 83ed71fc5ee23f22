#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cardswap {

/// A prepared statement of SQLite; it dies before its connection. Parameters are counted from 1,
/// columns from 0. Errors are the callers': they know what was being done.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* raw) : raw_(raw) {}

  [[nodiscard]] sqlite3_stmt* get() const { return raw_.get(); }

  void bind(int parameter, std::string_view text) const {
    sqlite3_bind_text(get(), parameter, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
  }
  void bind(int parameter, std::int64_t number) const {
    sqlite3_bind_int64(get(), parameter, number);
  }
  /// Goes on to the next row; false when there is none, or an error.
  [[nodiscard]] bool next_row() const { return sqlite3_step(get()) == SQLITE_ROW; }
  /// Runs one that returns no row, and makes it ready for the next time; false: an error.
  [[nodiscard]] bool run() const {
    const bool done = sqlite3_step(get()) == SQLITE_DONE;
    sqlite3_reset(get());
    return done;
  }

  /// A text of the present row; empty for NULL.
  [[nodiscard]] std::string text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(get(), column));
    if (text == nullptr) return {};
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(get(), column))};
  }
  [[nodiscard]] std::int64_t number(int column) const {
    return sqlite3_column_int64(get(), column);
  }

 private:
  /// Ends a statement of SQLite.
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> raw_;
};

}  // namespace cardswap
