#include "migrator/engine/source/sending/peer_clock.h"

#include <algorithm>

namespace cardswap {
namespace {

constexpr std::size_t kUnansweredMax = 256;

}  // namespace

void PeerClock::pinged(std::int64_t now_ns) {
  if (unanswered_.size() == kUnansweredMax) unanswered_.pop_front();
  unanswered_.push_back(now_ns);
}

void PeerClock::answered(std::int64_t sent_ns, std::int64_t target_ns, std::int64_t now_ns) {
  const auto ping = std::find(unanswered_.begin(), unanswered_.end(), sent_ns);
  if (ping == unanswered_.end()) return;
  unanswered_.erase(ping);
  const auto round_trip = now_ns - sent_ns;
  if (round_trip < 0) return;
  ++answers_;
  if (round_trip_ns_ && *round_trip_ns_ <= round_trip) return;
  round_trip_ns_ = round_trip;
  offset_ns_ = target_ns - (sent_ns + round_trip / 2);
}

}  // namespace cardswap
