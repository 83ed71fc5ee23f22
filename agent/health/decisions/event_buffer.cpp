#include "agent/health/decisions/event_buffer.h"

#include <fmt/format.h>

#include <utility>

namespace cardswap::health {
namespace {

constexpr std::size_t kEventsMax = 4096;
constexpr std::size_t kAlertEventsMax = 256;
constexpr Ms kAlertEventsIn = 10'000;

}  // namespace

void EventBuffer::keep(HealthEvent event) {
  if (events_.size() < kEventsMax) events_.push_back(std::move(event));
}

void EventBuffer::add(HealthEvent event) {
  if (event.of_alerts) {
    add_suppressed(event.at);
    if (event.at - alerts_from_ >= kAlertEventsIn) {
      alerts_from_ = event.at;
      alerts_kept_ = 0;
    }
    if (alerts_kept_ == kAlertEventsMax) {
      ++alerts_suppressed_;
      return;
    }
    ++alerts_kept_;
  }
  keep(std::move(event));
}

void EventBuffer::add_suppressed(Ms now) {
  if (alerts_suppressed_ == 0 || now - alerts_from_ < kAlertEventsIn) return;
  keep(
      {.at = now,
       .kind = "alerts_untold",
       .text = fmt::format("{} more events of alerts in {} s; `cardswap health` lists what is open",
                           std::exchange(alerts_suppressed_, 0), kAlertEventsIn / 1000),
       .of_alerts = true});
}

std::vector<HealthEvent> EventBuffer::take() { return std::exchange(events_, {}); }

void EventBuffer::put_back(std::vector<HealthEvent> taken) {
  const auto since = std::exchange(events_, std::move(taken));
  for (const auto& event : since) keep(event);
}

}  // namespace cardswap::health
