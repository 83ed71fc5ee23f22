#include "migrator/plan/migration_stats.h"

namespace cardswap {

std::string_view to_string(MigrationPhase phase) {
  switch (phase) {
    case MigrationPhase::connect: return "connect";
    case MigrationPhase::probe: return "probe";
    case MigrationPhase::base_copy: return "base_copy";
    case MigrationPhase::rounds: return "rounds";
    case MigrationPhase::replay: return "replay";
    case MigrationPhase::frozen: return "frozen";
    case MigrationPhase::verify: return "verify";
    case MigrationPhase::rehearsal: return "rehearsal";
    case MigrationPhase::departing: return "departing";
    case MigrationPhase::dumping: return "dumping";
    case MigrationPhase::shipping: return "shipping";
    case MigrationPhase::restoring: return "restoring";
    case MigrationPhase::none: break;
  }
  return "";
}

std::string_view to_string(GpuPath path) {
  switch (path) {
    case GpuPath::staged: return "staged";
    case GpuPath::direct: return "direct";
    case GpuPath::none: break;
  }
  return "";
}

std::string_view to_string(RehearsalOutcome outcome) {
  switch (outcome) {
    case RehearsalOutcome::equal: return "equal";
    case RehearsalOutcome::rounding: return "rounding";
    case RehearsalOutcome::differs: return "differs";
    case RehearsalOutcome::left_out: return "left out";
    case RehearsalOutcome::none: break;
  }
  return "";
}

}  // namespace cardswap
