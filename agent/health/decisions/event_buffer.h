#pragma once

#include <cstddef>
#include <vector>

#include "agent/health/decisions/incident.h"

namespace cardswap::health {

/// Keeps at most 4096 events until they are taken; further ones are dropped. Whoever may post
/// alerts could cause any number of events: of those, 256 in ten seconds are kept, and one event
/// says how many more there were. One thread.
class EventBuffer {
 public:
  void add(HealthEvent event);
  /// Adds the event about the suppressed ones, if there are any and their ten seconds are over.
  void add_suppressed(Ms now);
  [[nodiscard]] std::vector<HealthEvent> take();
  /// Puts events that were taken and could not be used back before all others, without counting
  /// them again.
  void put_back(std::vector<HealthEvent> taken);

 private:
  void keep(HealthEvent event);

  std::vector<HealthEvent> events_;
  Ms alerts_from_ = 0;  // when the ten seconds began
  std::size_t alerts_kept_ = 0;
  std::size_t alerts_suppressed_ = 0;
};

}  // namespace cardswap::health
