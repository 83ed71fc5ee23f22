#include "migrator/store/log_window.h"

namespace cardswap::store {

LogCut cut_of(const std::vector<LogSegment>& segments, std::uint64_t base_step,
              const LogWindow& window, std::uint64_t coming) {
  LogCut cut;
  auto bytes = coming;
  for (const auto& one : segments) bytes += one.bytes;
  const auto newest = segments.empty() ? 0 : segments.back().last;
  for (const auto& one : segments) {
    const bool is_outside = window.steps != 0 && one.last + window.steps <= newest;
    const bool is_too_much = window.bytes != 0 && bytes > window.bytes;
    if (one.last > base_step || !(is_outside || is_too_much)) break;
    ++cut.removable;
    bytes -= one.bytes;
  }
  cut.is_full = window.bytes != 0 && bytes > window.bytes;
  return cut;
}

}  // namespace cardswap::store
