#include "runtime/roles/staying_rules.h"

namespace cardswap {

std::string_view to_string(StayingState state) {
  using enum StayingState;
  switch (state) {
    case training: return "training";
    case building: return "building";
    case build_failed: return "build_failed";
    case built: return "built";
    case armed: return "armed";
    case parked: return "parked";
    case checking: return "checking";
    case checked: return "checked";
    case switched: return "switched";
    case confirmed: return "confirmed";
    case closed: return "closed";
  }
  return {};
}

std::string_view to_string(StayingEvent event) {
  using enum StayingEvent;
  switch (event) {
    case build_next: return "build_next";
    case arm: return "arm";
    case check: return "check";
    case switch_over: return "switch_over";
    case close_old: return "close_old";
    case release: return "release";
    case next_built: return "next_built";
    case not_built: return "not_built";
    case gate_set: return "gate_set";
    case gate_kept: return "gate_kept";
    case gate_late: return "gate_late";
    case check_passed: return "check_passed";
    case check_failed: return "check_failed";
    case reached: return "reached";
    case stepped: return "stepped";
  }
  return {};
}

}  // namespace cardswap
