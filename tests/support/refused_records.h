#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace cardswap::test {

/// While it lives, a journal refuses the records of one kind and accepts all others, like a disk
/// that becomes full between two writes.
class RefusedRecords {
 public:
  /// `kind` is the name in the journal's table, such as "job".
  RefusedRecords(std::filesystem::path journal, const std::string& kind)
      : journal_(std::move(journal)) {
    execute("CREATE TRIGGER refused BEFORE INSERT ON records WHEN NEW.kind = '" + kind +
            "' BEGIN SELECT RAISE(ABORT, 'refused by a test'); END");
  }
  ~RefusedRecords() { execute("DROP TRIGGER refused"); }
  RefusedRecords(const RefusedRecords&) = delete;
  RefusedRecords& operator=(const RefusedRecords&) = delete;

 private:
  void execute(const std::string& sql) const {
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open(journal_.c_str(), &raw);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> db(raw, &sqlite3_close);
    sqlite3_busy_timeout(raw, 5000);
    if (opened != SQLITE_OK ||
        sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
      throw std::runtime_error(sql + ": " + sqlite3_errmsg(raw));
    }
  }

  const std::filesystem::path journal_;
};

}  // namespace cardswap::test
