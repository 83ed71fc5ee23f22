#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/histogram.h"
#include "agent/journal/database.h"

namespace cardswap {

/// Keeps the records that the agent must not forget: SQLite, WAL, synchronous=FULL. When put() has
/// returned, the record is on disk; what the agent may do before that is said where a record is
/// written.
///
/// A record is one JSON document under a kind and an id; a later put() replaces it. Calls that read
/// or write throw Error{io} if the disk refuses, for which they may wait 2 s, and Error{corrupt} if
/// the file is damaged; then nothing has changed. A damaged record is lost alone: it is moved to
/// the table `damaged`, and warnings() names it. One thread; one process has the file.
class Journal {
 public:
  /// What a record describes.
  enum class Kind { job, migration, reservation, cordon, checkpoint, gang, rank };

  /// Opens the file, or makes it. A file of an earlier version is brought up to date, as a whole or
  /// not at all. A file that is damaged as a whole is renamed <file>.corrupt-<time>, and a new one
  /// is begun. Throws Error{io} if the file cannot be opened or written (it stays as it is),
  /// Error{corrupt} if a damaged one cannot be renamed, and Error{protocol_mismatch} for a later
  /// version.
  explicit Journal(const std::filesystem::path& file);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Writes a record. Throws also Error{internal} if the document could not be read again: a number
  /// that is not finite, or text that is no UTF-8.
  void put(Kind kind, const std::string& id, const boost::json::object& record);
  /// Removes a record; does nothing if there is none.
  void remove(Kind kind, const std::string& id);
  /// The records of a kind, in the order in which they were first written.
  [[nodiscard]] std::vector<boost::json::object> all(Kind kind) const;
  /// Calls `take` with each record of all(). A record on which it throws is moved to the table
  /// `damaged`, or stays if the disk refuses that; warnings() names it in both cases.
  void each(Kind kind, const std::function<void(const boost::json::object&)>& take);
  /// What was damaged and where it is kept now: one sentence each, for /v1/version, events and log.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Whether there is, or was, a record of that kind and id which was not removed: one that can be
  /// read, or one that is damaged, also by an earlier process.
  [[nodiscard]] bool has_trace_of(Kind kind, const std::string& id) const;
  /// How many records the table `damaged` has, from this process and earlier ones.
  [[nodiscard]] std::uint64_t damaged_records() const;
  /// How long a put() takes: the median of the latest 9, so that a single slow one does not count.
  /// 0: there was none yet.
  [[nodiscard]] double put_ms() const;

  /// Why writes fail now; empty: they do not. Tries a write if the last try is more than 1 s ago,
  /// and may then wait 2 s.
  [[nodiscard]] std::string write_failure();
  /// How long writes took, in seconds, failed ones too.
  [[nodiscard]] const Histogram& write_seconds() const { return write_seconds_; }
  /// How many writes have failed.
  [[nodiscard]] std::uint64_t write_failures() const { return write_failures_; }

 private:
  /// A row of the table of records.
  struct Document {
    std::string kind, id, text;
  };
  void open(const std::filesystem::path& file);
  /// The version of the file. Throws Error{protocol_mismatch} for a later one than this agent
  /// reads.
  [[nodiscard]] int version_of(const std::filesystem::path& file) const;
  void bring_up_to_date(int version);
  void run(const char* sql, std::initializer_list<std::string> values);
  [[nodiscard]] std::vector<Document> documents() const;
  void check_records();
  void set_aside(const std::string& kind, const std::string& id, const std::string& why);
  [[nodiscard]] std::vector<std::pair<std::string, boost::json::object>> records(Kind kind) const;

  std::vector<std::string> warnings_;
  std::array<double, 9> latest_put_ms_{};
  std::uint64_t puts_ = 0;
  Histogram write_seconds_{kLatencySeconds};
  std::uint64_t write_failures_ = 0;
  std::chrono::steady_clock::time_point tried_at_{};
  std::string tried_;
  std::optional<Database> db_;
};

}  // namespace cardswap
