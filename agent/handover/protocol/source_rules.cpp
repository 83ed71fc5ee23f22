#include "agent/handover/protocol/source_rules.h"

namespace cardswap::handover {

std::string_view to_string(SourceState state) {
  using enum SourceState;
  switch (state) {
    case planned: return "planned";
    case preparing: return "preparing";
    case standby_ready: return "standby_ready";
    case syncing: return "syncing";
    case converged: return "converged";
    case freezing: return "freezing";
    case verifying: return "verifying";
    case committed: return "committed";
    case resumed: return "resumed";
    case completed: return "completed";
    case aborting: return "aborting";
    case aborted: return "aborted";
    case in_doubt: return "in_doubt";
    case superseded: return "superseded";
    case captured: return "captured";
    case stored: return "stored";
  }
  return {};
}

}  // namespace cardswap::handover
