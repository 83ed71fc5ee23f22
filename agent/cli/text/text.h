#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

/// The texts that commands print, made from the API's objects. Pure.
namespace cardswap::cli {

/// Pads each column to its widest cell, with two spaces between columns; the first row is the
/// heading.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

/// One line of at most `width` characters: state, round, lost time, bytes left, the downtime that a
/// freeze would take now, rates, bytes sent. Parts that do not fit are left out from the end.
[[nodiscard]] std::string progress_line(const boost::json::object& migration, std::size_t width);
/// A few lines about a migration that has ended.
[[nodiscard]] std::string summary(const boost::json::object& migration);
/// Everything about one migration, with the times of its states.
[[nodiscard]] std::string details(const boost::json::object& migration);
/// Whether the job will not run on here: its state is ended, stopped, failed, lost or moved.
[[nodiscard]] bool is_over(const boost::json::object& job);
/// Which jobs a table shows.
struct JobsView {
  bool wide = false;
  /// Whether to show jobs that are over and need no attention, too; otherwise the last line counts
  /// them.
  bool all = false;
  std::int64_t now_ms = 0;  ///< Unix time, for ages
};
[[nodiscard]] std::string jobs_table(const boost::json::object& answer, const JobsView& view);
/// What a job's stop came to.
[[nodiscard]] std::string stopped_text(const boost::json::object& job);
/// What a job's state consists of, and what it lacks.
[[nodiscard]] std::string state_table(const boost::json::object& answer);
[[nodiscard]] std::string devices_table(const boost::json::object& answer, bool wide);
[[nodiscard]] std::string migrations_table(const boost::json::object& answer);
[[nodiscard]] std::string plan_text(const boost::json::object& plan);

}  // namespace cardswap::cli
