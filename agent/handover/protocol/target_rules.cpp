#include "agent/handover/protocol/target_rules.h"

namespace cardswap::handover {

std::string_view to_string(TargetState state) {
  using enum TargetState;
  switch (state) {
    case nothing: return "nothing";
    case reserved: return "reserved";
    case starting: return "starting";
    case parked: return "parked";
    case verified: return "verified";
    case granted: return "granted";
    case resumed: return "resumed";
    case completed: return "completed";
    case stopping: return "stopping";
    case failed: return "failed";
    case superseded: return "superseded";
    case stored: return "stored";
  }
  return {};
}

}  // namespace cardswap::handover
