#include "agent/cli/text/ranks_text.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <map>
#include <utility>
#include <vector>

#include "agent/cli/text/fields.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string communicator_text(const json::object& migration) {
  const auto& took = object_at(migration, "communicator");
  if (took.empty()) return {};
  return fmt::format("built in {} beside training, tried in {} and exchanged in {} of the pause",
                     ms(took, "build_ms"), ms(took, "try_ms"), ms(took, "exchange_ms"));
}

using ByState = std::map<std::string, std::vector<std::string>>;

std::string states_text(const char* one, const char* many, const ByState& by_state) {
  std::string result;
  for (const auto& [state, ranks] : by_state) {
    result += fmt::format("{}{} {} {}", result.empty() ? "" : ", ", ranks.size() == 1 ? one : many,
                          joined_first(ranks), state);
  }
  return result;
}

}  // namespace

std::string ranks_text(const json::object& migration) {
  ByState ranks;
  ByState newcomers;
  std::size_t leave = 0;
  for (const auto& item : array_at(migration, "ranks")) {
    if (!item.is_object()) continue;
    const auto& one = item.get_object();
    ranks[text(one, "state", "not asked")].push_back(text(one, "rank"));
    if (text(one, "part") != "leaves") continue;
    newcomers[text(one, "newcomer", "not asked")].push_back(text(one, "rank"));
    ++leave;
  }
  if (leave == 0) return {};
  const auto arrive = leave == 1 ? "newcomer " + newcomers.begin()->first
                                 : states_text("newcomer", "newcomers", newcomers);
  return states_text("rank", "ranks", ranks) + ", " + arrive;
}

std::string communicator_line(const json::object& migration) {
  const auto text = communicator_text(migration);
  return text.empty() ? text : "communicator " + text + "\n";
}

std::vector<std::vector<std::string>> cost_of_ranks(const json::object& migration) {
  std::vector<std::vector<std::string>> rows;
  if (auto took = communicator_text(migration); !took.empty()) {
    rows.push_back({"communicator", std::move(took)});
  }
  for (const auto& item : array_at(migration, "ranks")) {
    if (!item.is_object() || value_at(item.get_object(), "lost_ms") == nullptr) continue;
    const auto& one = item.get_object();
    rows.push_back(
        {"rank_" + text(one, "rank"), fmt::format("{}, stall {}, lost {}", text(one, "part"),
                                                  ms(one, "stall_ms"), ms(one, "lost_ms"))});
  }
  return rows;
}

}  // namespace cardswap::cli
