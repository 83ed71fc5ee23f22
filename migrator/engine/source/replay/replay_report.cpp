#include "migrator/engine/source/replay/replay_report.h"

#include <fmt/format.h>

namespace cardswap {
namespace {

constexpr std::uint64_t kNamesReportedMax = 8;

const char* ellipsis(std::uint64_t count) { return count > kNamesReportedMax ? ", ..." : ""; }

}  // namespace

void ReplayReport::add(std::uint64_t& count, std::string& names, const std::string& region) {
  if (++count <= kNamesReportedMax) names += (names.empty() ? "" : ", ") + region;
}

std::string ReplayReport::text(std::size_t shards) const {
  std::string text;
  if (late_ != 0) {
    text = fmt::format("{} of {} shards came during the replay, copied then: {}{}", late_, shards,
                       late_names_, ellipsis(late_));
  }
  if (wrong_ != 0) {
    text += fmt::format("{}{} by rounds, replaying gave other bytes: {}{}",
                        text.empty() ? "" : "; ", wrong_, wrong_names_, ellipsis(wrong_));
  }
  return text;
}

}  // namespace cardswap
