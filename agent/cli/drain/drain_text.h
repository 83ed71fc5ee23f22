#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cardswap::cli {

/// A line of a drain's table: one job of the drained host.
struct DrainRow {
  std::string job;
  std::string from;
  std::string to;
  /// moved, stored, ended, stays, failed, skipped, cancelled, not-started or under-way; in a dry
  /// run fits or stays. Empty: it is not over.
  std::string result;
  std::string migration;
  std::string strategy;
  std::optional<double> stall_ms;  ///< as known when the migration ended; nullopt: not known
  std::optional<double> lost_ms;
  std::optional<double> downtime_ms;
  std::optional<double> total_time_ms;
  std::size_t tries = 0;  ///< migrations that were started or taken up
  std::string note;

  /// Whether the job has left the host or has ended.
  [[nodiscard]] bool is_gone() const {
    return result == "moved" || result == "ended" || result == "stored";
  }
};

/// Prints the table of a drain. The widths are fixed at its beginning, so that a line can be
/// printed whenever a job is over.
class DrainTable {
 public:
  /// `from` is the name of the drained host, `to_width` the length of the longest target.
  DrainTable(const std::vector<std::string>& jobs, const std::string& from, std::size_t to_width);
  [[nodiscard]] std::string heading() const;
  [[nodiscard]] std::string line(const DrainRow& row) const;

 private:
  std::size_t job_ = 3;
  std::size_t from_ = 4;
  std::size_t to_ = 2;
};

[[nodiscard]] boost::json::object to_json(const DrainRow& row);

}  // namespace cardswap::cli
