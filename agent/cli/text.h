#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

/// What people see: pure functions from the API's objects to text.
namespace cardswap::cli {

/// Columns padded to their widest cell, two spaces between them; the first row is the heading.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

/// One line, at most `width` characters: state, round, what was lost, what is left, the downtime
/// that a freeze would take now, rates, what was sent; parts that do not fit are left out from the
/// end.
[[nodiscard]] std::string progress_line(const boost::json::object& migration, std::size_t width);
/// What a finished migration was, in a few lines.
[[nodiscard]] std::string summary(const boost::json::object& migration);
/// Everything about one migration, states with times included.
[[nodiscard]] std::string details(const boost::json::object& migration);
/// Whether the job is over, by its state.
[[nodiscard]] bool is_over(const boost::json::object& job);
/// Which jobs a table shows.
struct JobsView {
  bool wide = false;
  /// Shows those too that are over and that nobody has to look at: the last line counts them else.
  bool all = false;
  std::int64_t now_ms = 0;
};
[[nodiscard]] std::string jobs_table(const boost::json::object& answer, const JobsView& view);
/// What became of a job that somebody stopped.
[[nodiscard]] std::string stopped_text(const boost::json::object& job);
/// What a job's state consists of, and what it lacks.
[[nodiscard]] std::string state_table(const boost::json::object& answer);
[[nodiscard]] std::string devices_table(const boost::json::object& answer, bool wide);
[[nodiscard]] std::string migrations_table(const boost::json::object& answer);
[[nodiscard]] std::string plan_text(const boost::json::object& plan);

}  // namespace cardswap::cli
