#include "agent/cli/drain/drain_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/units.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string ms(const std::optional<double>& number) { return number ? format_ms(*number) : "-"; }

}  // namespace

DrainTable::DrainTable(const std::vector<std::string>& jobs, const std::string& from,
                       std::size_t to_width)
    : from_(std::max<std::size_t>(4, from.size() + sizeof("/cpu:0") - 1)),
      to_(std::max<std::size_t>(2, to_width)) {
  for (const auto& job : jobs) job_ = std::max(job_, job.size());
}

std::string DrainTable::heading() const {
  return fmt::format("{:<{}}  {:<{}}  {:<{}}  {:<11}  {:<7}  {:<8}  {:<7}  NOTE\n", "JOB", job_,
                     "FROM", from_, "TO", to_, "RESULT", "LOST", "DOWNTIME", "TOTAL");
}

std::string DrainTable::line(const DrainRow& row) const {
  auto text = fmt::format("{:<{}}  {:<{}}  {:<{}}  {:<11}  {:<7}  {:<8}  {:<7}  {}", row.job, job_,
                          row.from, from_, row.to.empty() ? "-" : row.to, to_, row.result,
                          ms(row.lost_ms), ms(row.downtime_ms), ms(row.total_time_ms), row.note);
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

json::object to_json(const DrainRow& row) {
  return {{"job", row.job},
          {"from", row.from},
          {"to", text_or_null(row.to)},
          {"result", row.result},
          {"migration", text_or_null(row.migration)},
          {"strategy", text_or_null(row.strategy)},
          {"stall_ms", value_or_null(row.stall_ms)},
          {"lost_ms", value_or_null(row.lost_ms)},
          {"downtime_ms", value_or_null(row.downtime_ms)},
          {"total_time_ms", value_or_null(row.total_time_ms)},
          {"tries", row.tries},
          {"note", row.note}};
}

}  // namespace cardswap::cli
