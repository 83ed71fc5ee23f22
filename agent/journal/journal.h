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

/// Keeps the records that the agent must not forget. A record is on disk before the agent acts on
/// it: SQLite, WAL, synchronous=FULL.
///
/// A record is one JSON document under a kind and an id; a later put() replaces it. Every write
/// throws Error{io} if it did not reach the disk, Error{corrupt} if the file is damaged, and
/// Error{internal} if the document could not be read again; then nothing has changed. A damaged
/// record costs that record alone: it is set aside in the table `damaged`, and `warnings()` says
/// so. One thread, one process.
class Journal {
 public:
  /// What a record is of.
  enum class Kind { job, migration, reservation, cordon, checkpoint };

  /// Opens or makes the file; one of an earlier version is brought up to date, as a whole or not at
  /// all. One that is damaged as a whole is put aside as <file>.corrupt-<time>; one that is only
  /// held by somebody, or on a full disk, stays. Throws Error{io} when no journal can be had, and
  /// Error{protocol_mismatch} for one of a later version, which it leaves as it is.
  explicit Journal(const std::filesystem::path& file);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void put(Kind kind, const std::string& id, const boost::json::object& record);
  void remove(Kind kind, const std::string& id);
  /// The records of a kind, in the order in which they were first put.
  [[nodiscard]] std::vector<boost::json::object> all(Kind kind) const;
  /// Hands each record of `all()` to `take`. One that it throws on is set aside and told;
  /// told alone where the disk takes nothing.
  void each(Kind kind, const std::function<void(const boost::json::object&)>& take);
  /// What was damaged, and where it is kept now; for /v1/version, the events and the log.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Records that were set aside, by this process and earlier ones.
  [[nodiscard]] std::uint64_t damaged_records() const;
  /// What a put() takes, to the disk: the median of the latest, so that one that met a busy disk
  /// does not count. 0 before the first.
  [[nodiscard]] double put_ms() const;

  /// Why a write does not reach the disk now; empty when one does. Writes, at most once a second.
  [[nodiscard]] std::string write_failure();
  [[nodiscard]] const Histogram& write_seconds() const { return write_seconds_; }
  [[nodiscard]] std::uint64_t write_failures() const { return write_failures_; }

 private:
  /// A record as its row has it.
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
