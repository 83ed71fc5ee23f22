#include "agent/jobs/lost_job.h"

#include <fmt/format.h>
#include <time.h>

#include <array>
#include <string_view>

namespace cardswap {
namespace {

std::string time_of(std::int64_t at_ms, std::int64_t now_ms) {
  const auto local = [](std::int64_t ms) {
    const auto seconds = static_cast<time_t>(ms / 1000);
    tm parts{};
    ::localtime_r(&seconds, &parts);
    return parts;
  };
  const auto at = local(at_ms);
  const auto now = local(now_ms);
  const bool today = at.tm_year == now.tm_year && at.tm_yday == now.tm_yday;
  std::array<char, 32> text{};
  const auto size = ::strftime(text.data(), text.size(), today ? "%H:%M" : "%Y-%m-%d %H:%M", &at);
  return {text.data(), size};
}

}  // namespace

std::string why_lost(const LastSeen& seen) {
  const auto* why = "its processes ended, and with them who would have told how";
  const auto restarted =
      seen.booted_at_ms == 0
          ? std::string("host restarted")
          : fmt::format("host restarted at {}", time_of(seen.booted_at_ms, seen.now_ms));
  return fmt::format(
      "{}, {}", seen.host_restarted ? restarted : why,
      seen.step == 0 ? "no step of it was seen" : fmt::format("last seen at step {}", seen.step));
}

}  // namespace cardswap
