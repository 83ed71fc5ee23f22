#include "migrator/core/stats.h"

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

}  // namespace cardswap
