#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace cardswap::test {

/// While it lives, a journal refuses the records of jobs and takes all others: what a disk does
/// that fills up between two writes.
class RefusedJobRecords {
 public:
  explicit RefusedJobRecords(std::filesystem::path journal) : journal_(std::move(journal)) {
    execute(
        "CREATE TRIGGER refused BEFORE INSERT ON records WHEN NEW.kind = 'job' "
        "BEGIN SELECT RAISE(ABORT, 'refused by a test'); END");
  }
  ~RefusedJobRecords() { execute("DROP TRIGGER refused"); }
  RefusedJobRecords(const RefusedJobRecords&) = delete;
  RefusedJobRecords& operator=(const RefusedJobRecords&) = delete;

 private:
  void execute(const char* sql) const {
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open(journal_.c_str(), &raw);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> db(raw, &sqlite3_close);
    sqlite3_busy_timeout(raw, 5000);
    if (opened != SQLITE_OK || sqlite3_exec(raw, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      throw std::runtime_error(std::string(sql) + ": " + sqlite3_errmsg(raw));
    }
  }

  const std::filesystem::path journal_;
};

}  // namespace cardswap::test
