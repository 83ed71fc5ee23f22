#include "migrator/core/migration_spec.h"

namespace cardswap {

std::string_view to_string(Arrival arrival) {
  switch (arrival) {
    case Arrival::standby: return "standby";
    case Arrival::criu: return "criu";
    case Arrival::automatic: return "auto";
  }
  return "auto";
}

}  // namespace cardswap
