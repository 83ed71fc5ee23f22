#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/metrics/histogram.h"

struct sqlite3;

namespace cardswap {

/// What the agent must not forget, on disk before it is acted on: SQLite, WAL, synchronous=FULL.
///
/// A record is one JSON document under a kind and an id; every change of a record's state is also
/// appended to its history. Every write throws Error{io} when it did not reach the disk, and then
/// nothing has changed. One thread, one process.
class Journal {
 public:
  enum class Kind { job, migration, reservation, cordon, checkpoint };

  /// Opens or makes the file. One that is damaged is put aside as <file>.corrupt-<time>, and
  /// `warning()` says so. Throws Error{io} when no journal can be had at all.
  explicit Journal(const std::filesystem::path& file);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void put(Kind kind, const std::string& id, const boost::json::object& record);
  void remove(Kind kind, const std::string& id);
  /// In the order in which they were first put.
  [[nodiscard]] std::vector<boost::json::object> all(Kind kind) const;
  [[nodiscard]] const std::string& warning() const { return warning_; }
  /// What a put() takes, to the disk; the latest count most. 0 before the first.
  [[nodiscard]] double put_ms() const { return put_ms_; }

  /// Why a write does not reach the disk now; empty when one does. Writes, at most once a second.
  [[nodiscard]] std::string write_failure();
  [[nodiscard]] const Histogram& write_seconds() const { return write_seconds_; }
  [[nodiscard]] std::uint64_t write_failures() const { return write_failures_; }

 private:
  struct Close {
    void operator()(sqlite3* db) const noexcept;
  };
  void open(const std::filesystem::path& file);
  void run(const char* sql, std::initializer_list<std::string> values);

  std::string warning_;
  double put_ms_ = 0;
  Histogram write_seconds_{kLatencySeconds};
  std::uint64_t write_failures_ = 0;
  std::chrono::steady_clock::time_point tried_at_{};
  std::string tried_;
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace cardswap
