#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/cli/text/fields.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string joined(const json::array& names) {
  std::string result;
  for (const auto& name : names) {
    if (!name.is_string()) continue;
    if (!result.empty()) result += ", ";
    result += printable(name.get_string());
  }
  return result.empty() ? "-" : result;
}

}  // namespace

std::string devices_table(const json::object& answer, bool wide) {
  std::vector<std::vector<std::string>> rows{{"DEVICE", "MODEL", "TOTAL", "FREE", "JOBS", "NOTE"}};
  if (wide) rows[0].insert(rows[0].end() - 2, {"RESERVED", "UUID"});
  for (const auto& item : array_at(answer, "devices")) {
    const auto& device = item.as_object();
    std::vector<std::string> row{text(answer, "host") + "/" + text(device, "name"),
                                 text(device, "model"),
                                 size(device, "total_bytes"),
                                 size(device, "free_bytes"),
                                 joined(array_at(device, "jobs")),
                                 ""};
    if (const auto* cordoned = value_at(device, "cordoned");
        cordoned != nullptr && cordoned->get_bool()) {
      const auto reason = text(device, "cordon_reason", "");
      row.back() = reason.empty() ? "cordoned" : "cordoned: " + reason;
    }
    if (wide) row.insert(row.end() - 2, {size(device, "reserved_bytes"), text(device, "uuid")});
    rows.push_back(std::move(row));
  }
  const auto& criu = object_at(answer, "criu");
  if (criu.empty()) return table(rows);
  const auto problem = text(criu, "problem", "");
  if (!problem.empty()) return table(rows) + "processes cannot move: " + problem + "\n";
  auto line = "processes move with CRIU " + text(criu, "version");
  const auto& cuda = object_at(criu, "cuda");
  const bool has_gpu = std::ranges::any_of(
      array_at(answer, "devices"),
      [](const json::value& item) { return text(item.as_object(), "kind") == "cuda"; });
  if (const auto why = text(cuda, "problem", ""); !cuda.empty() && has_gpu) {
    line += why.empty()
                ? ", their CUDA state with the NVIDIA driver (CUDA " + text(cuda, "version") + ")"
                : "; with CUDA state they cannot: " + why;
  }
  return table(rows) + line + "\n";
}

}  // namespace cardswap::cli
