#include "agent/cli/drain/drain_answers.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <map>
#include <utility>

#include "agent/base/printable_fields.h"
#include "migrator/base/error.h"

namespace cardswap::cli {
namespace {

constexpr auto kLookThere = "look what answers at that address";

}  // namespace

std::string name_at(const boost::json::object& from, std::string_view key,
                    bool (*is_right)(std::string_view), const http::Endpoint& agent) {
  auto name = printable_at(from, key);
  if (is_right(name)) return name;
  throw Error(Code::corrupt,
              fmt::format("the agent at {} tells '{}', which is no {}", agent.text(), name, key),
              kLookThere);
}

bool is_training(const boost::json::object& job) {
  const auto state = printable_at(job, "state");
  return state == "starting" || state == "running" || state == "frozen" || state == "in_doubt";
}

std::vector<boost::json::object> listed_jobs(const boost::json::object& answer,
                                             const http::Endpoint& agent) {
  const auto* list = answer.if_contains("jobs");
  std::vector<boost::json::object> jobs;
  for (const auto& job : array_at(answer, "jobs")) {
    if (job.is_object()) jobs.push_back(job.get_object());
  }
  if (list != nullptr && list->is_array() && jobs.size() == list->get_array().size()) return jobs;
  throw Error(Code::corrupt, fmt::format("the agent at {} lists no jobs", agent.text()),
              kLookThere);
}

std::vector<boost::json::object> with_ranks_together(std::vector<boost::json::object> jobs) {
  std::vector<boost::json::object> all;
  std::map<std::string, std::size_t> known;  // by name: where in `all`
  for (auto& job : jobs) {
    if (number_at(job, "world_size") <= 1 || !is_training(job)) {
      all.push_back(std::move(job));
      continue;
    }
    boost::json::array here;
    for (const auto& item : array_at(job, "ranks")) {
      if (!item.is_object() || value_at(item.get_object(), "moved_to") != nullptr) continue;
      auto rank = item.get_object();
      rank["device"] = printable_at(job, "device");
      here.push_back(std::move(rank));
    }
    job["ranks"] = std::move(here);
    const auto [first, is_new] = known.emplace(printable_at(job, "name"), all.size());
    if (is_new) {
      all.push_back(std::move(job));
      continue;
    }
    auto& together = all[first->second];
    together["attached"] = flag_at(together, "attached") && flag_at(job, "attached");
    for (auto& rank : job["ranks"].as_array()) together["ranks"].as_array().push_back(rank);
  }
  return all;
}

}  // namespace cardswap::cli
