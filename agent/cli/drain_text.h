#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cardswap::cli {

/// What became of one job of a drained host.
struct DrainRow {
  std::string job;
  std::string from;
  std::string to;
  /// What became of it: moved, ended, stays, failed, skipped, cancelled, not-started, under-way; of
  /// a dry run: fits or stays. Empty while it is not over.
  std::string result;
  std::string migration;
  std::string strategy;
  std::optional<double> stall_ms;  ///< as far as it was known when the migration was over
  std::optional<double> lost_ms;
  std::optional<double> downtime_ms;
  std::optional<double> total_time_ms;
  std::size_t tries = 0;
  std::string note;

  /// Whether the host is rid of it.
  [[nodiscard]] bool is_gone() const { return result == "moved" || result == "ended"; }
};

/// The columns of a drain's table: as wide as what is known when it begins, so that lines can be
/// printed as jobs end.
class DrainTable {
 public:
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
