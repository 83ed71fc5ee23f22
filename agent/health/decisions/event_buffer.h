#pragma once

#include <cstddef>
#include <vector>

#include "agent/health/decisions/incident.h"

namespace cardswap::health {

/// Keeps events until they are taken. Whoever may post alerts can cause as many as he likes: of
/// those 256 in ten seconds are kept, and how many more there were is one event. One thread.
class EventBuffer {
 public:
  void add(Event event);
  /// Adds the event of those that were not kept, if their ten seconds are over.
  void add_suppressed(Ms now);
  [[nodiscard]] std::vector<Event> take();
  /// Keeps again, before all others, what was taken and could not be used. Counts none of them
  /// anew.
  void put_back(std::vector<Event> taken);

 private:
  void keep(Event event);

  std::vector<Event> events_;
  Ms alerts_from_ = 0;  // the ten seconds' begin
  std::size_t alerts_kept_ = 0;
  std::size_t alerts_suppressed_ = 0;
};

}  // namespace cardswap::health
