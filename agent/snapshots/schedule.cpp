#include "agent/snapshots/schedule.h"

#include <algorithm>

namespace cardswap::snapshots {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetryFirst{2'000};
constexpr milliseconds kRetryMax{600'000};

}  // namespace

bool is_due(const Protection& protection, const ProtectionNotes& notes, const ScheduleView& now) {
  if (notes.number == 0 || notes.restarts != now.restarts) return true;
  if (protection.every_steps != 0) {
    return now.step / protection.every_steps > notes.step / protection.every_steps;
  }
  const auto every_ms = protection.is_auto ? notes.interval.every_ms : protection.every_ms;
  return now.now_ms - notes.at_ms >= every_ms || now.now_ms < notes.at_ms;
}

bool may_try(const ProtectionNotes& notes, std::int64_t now_ms) {
  return now_ms >= notes.retry_at_ms || notes.retry_at_ms - now_ms > kRetryMax.count();
}

milliseconds wait_after(std::uint32_t failures_in_a_row) {
  auto wait = kRetryFirst;
  for (std::uint32_t i = 1; i < failures_in_a_row && wait < kRetryMax; ++i) wait *= 2;
  return std::min(wait, kRetryMax);
}

}  // namespace cardswap::snapshots
