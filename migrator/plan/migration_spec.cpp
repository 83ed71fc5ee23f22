#include "migrator/plan/migration_spec.h"

namespace cardswap {

std::string_view to_string(Strategy strategy) {
  switch (strategy) {
    case Strategy::automatic: return "auto";
    case Strategy::stop_copy: return "stop-copy";
    case Strategy::rounds: return "rounds";
    case Strategy::replay: return "replay";
  }
  return "auto";
}

std::string_view to_string(ArrivalMode arrival) {
  switch (arrival) {
    case ArrivalMode::standby: return "standby";
    case ArrivalMode::criu: return "criu";
    case ArrivalMode::automatic: return "auto";
  }
  return "auto";
}

std::string_view to_string(Rehearsal rehearsal) {
  switch (rehearsal) {
    case Rehearsal::off: return "off";
    case Rehearsal::automatic: return "auto";
    case Rehearsal::on: return "on";
    case Rehearsal::only: return "only";
  }
  return "off";
}

}  // namespace cardswap
