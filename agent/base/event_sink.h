#pragma once

#include <vector>

#include "agent/base/agent_event.h"

namespace cardswap {

/// Takes events for `cardswap events` from all parts of the agent. It is built before all of them,
/// and keeps events until the health log is there to write them down. The agent's thread.
class EventSink {
 public:
  EventSink() = default;
  EventSink(const EventSink&) = delete;
  EventSink& operator=(const EventSink&) = delete;

  void emit(const AgentEvent& event);
  /// Gives `to` what has come so far, in order, and from now on each event as it comes. Called
  /// once.
  void start(EmitEvent to);

 private:
  EmitEvent to_;
  std::vector<AgentEvent> waiting_;  // until start()
};

}  // namespace cardswap
