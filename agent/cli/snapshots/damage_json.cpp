#include "agent/cli/snapshots/damage_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/cli/text/fields.h"

namespace cardswap::cli {

boost::json::array damage_json(const std::vector<store::Damage>& damaged) {
  boost::json::array all;
  for (const auto& one : damaged) {
    all.push_back(boost::json::object{{"object", one.object}, {"what", one.what}});
  }
  return all;
}

std::string damage_lines(const boost::json::object& answer, std::string_view prefix) {
  std::string all;
  for (const auto& item : array_at(answer, "damaged")) {
    const auto& one = item.as_object();
    all += fmt::format("{}{}: {}\n", prefix, text(one, "object"), text(one, "what"));
  }
  return all;
}

}  // namespace cardswap::cli
