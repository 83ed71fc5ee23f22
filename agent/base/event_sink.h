#pragma once

#include <vector>

#include "agent/base/agent_event.h"

namespace cardswap {

/// Takes events for `cardswap events` from all parts of the agent. It is constructed before them
/// and keeps events until the health log takes them. The agent's thread.
class EventSink {
 public:
  EventSink() = default;
  EventSink(const EventSink&) = delete;
  EventSink& operator=(const EventSink&) = delete;

  void emit(const AgentEvent& event);
  /// Calls `to` with each event so far, in order, and from now on with each event as it comes. Call
  /// it once.
  void start(EmitEvent to);

 private:
  EmitEvent to_;
  std::vector<AgentEvent> waiting_;  // until start()
};

}  // namespace cardswap
