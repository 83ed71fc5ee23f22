#include "migrator/core/rate.h"

#include <algorithm>

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kBurst{2};
/// How late a sender on a busy host may be woken and still catch up.
constexpr std::chrono::milliseconds kLate{10};
// Fewer bytes go into buffers on the way at once, and tell little about the link.
constexpr double kMinSampleBytes = 1 << 20U;

}  // namespace

RateCap::Clock::time_point RateCap::ready_at(Clock::time_point now) const {
  if (bytes_per_s_ == 0) return now;
  return std::max(now, free_at_ - kBurst);
}

void RateCap::note_sent(std::uint64_t bytes, Clock::time_point now) {
  if (bytes_per_s_ == 0) return;
  const std::chrono::duration<double> takes(static_cast<double>(bytes) /
                                            static_cast<double>(bytes_per_s_));
  free_at_ = std::max(free_at_, now - kLate) + std::chrono::duration_cast<Clock::duration>(takes);
}

void RateMeter::add(std::uint64_t bytes, Clock::duration busy) {
  const auto seconds = std::chrono::duration<double>(busy).count();
  if (bytes == 0 || seconds <= 0) return;
  const auto now = static_cast<double>(bytes) / seconds;
  const auto size = static_cast<double>(bytes);
  const double share = size / (size + std::min(seen_, 3 * std::max(size, kMinSampleBytes)));
  bytes_per_s_ += share * (now - bytes_per_s_);
  seen_ += size;
}

}  // namespace cardswap
