#include "agent/base/event_sink.h"

#include <cassert>
#include <utility>

namespace cardswap {

void EventSink::emit(const AgentEvent& event) {
  if (to_) {
    to_(event);
  } else {
    waiting_.push_back(event);
  }
}

void EventSink::start(EmitEvent to) {
  assert(to && !to_);
  to_ = std::move(to);
  for (const auto& event : std::exchange(waiting_, {})) to_(event);
}

}  // namespace cardswap
