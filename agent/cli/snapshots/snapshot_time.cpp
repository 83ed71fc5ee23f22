#include "agent/cli/snapshots/snapshot_time.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>
#include <ctime>

#include "agent/base/json_fields.h"
#include "agent/base/printable.h"

namespace cardswap::cli {
namespace {

constexpr double kSecondsMax = 253402300799;  // the end of the year 9999

}  // namespace

std::string time_text(double seconds) {
  if (!(std::abs(seconds) <= kSecondsMax)) return "?";
  const auto at = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (::gmtime_r(&at, &parts) == nullptr) return "?";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string words_of(const boost::json::object& from, std::string_view key) {
  std::string all;
  for (const auto& word : array_at(from, key)) {
    if (word.is_string()) all += (all.empty() ? "" : " ") + printable(word.get_string());
  }
  return all;
}

std::string join_texts(const std::string& first, const std::string& second) {
  return first + (first.empty() || second.empty() ? "" : ", ") + second;
}

}  // namespace cardswap::cli
