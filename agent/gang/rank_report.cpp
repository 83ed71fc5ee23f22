#include "agent/gang/rank_report.h"

#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/gang/messages.h"
#include "agent/http/client.h"

namespace cardswap::gang {

namespace json = boost::json;

json::object to_json(const RankReport& report) {
  auto body = to_json(report.status);
  body["version"] = report.version;
  if (report.why) body["why"] = http::to_json(*report.why);
  if (report.stats) {
    json::object stats;
    put_fields(stats, *report.stats);
    body["stats"] = std::move(stats);
  }
  put_cost(body, report.cost);
  return body;
}

RankReport rank_report_from(const std::string& agent, const json::value& answer) {
  RankReport report;
  report.status = rank_status_from(agent, answer);
  const auto& body = answer.get_object();
  report.version = number_at<std::uint64_t>(body, "version");
  if (const auto* why = value_at(body, "why"); why != nullptr && why->is_object()) {
    report.why = http::error_from_json(*why);
  }
  if (const auto* stats = value_at(body, "stats"); stats != nullptr && stats->is_object()) {
    report.stats.emplace();
    JsonFieldReader in(stats->get_object(), OutOfRange::ignored);
    fields(in, *report.stats);
  }
  report.cost = cost_from(body);
  return report;
}

}  // namespace cardswap::gang
