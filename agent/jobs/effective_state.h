#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/jobs/instance_state.h"

namespace cardswap {

/// A process's state as operators see it: its record's, unless a migration changes it.
struct EffectiveState {
  /// How migrations change it.
  enum class Kind : std::uint8_t {
    as_recorded,
    frozen,    ///< it stands for a migration, or for good
    in_doubt,  ///< it stands, and its job may run elsewhere
  };
  Kind kind = Kind::as_recorded;
  std::string note;  ///< what an operator should know or do; or empty
};

/// "running", "frozen": the name of a process's state for users. `recorded`: the state in its
/// record.
[[nodiscard]] constexpr std::string_view state_word(InstanceState recorded,
                                                    EffectiveState::Kind kind) {
  switch (kind) {
    case EffectiveState::Kind::as_recorded: break;
    case EffectiveState::Kind::frozen: return "frozen";
    case EffectiveState::Kind::in_doubt: return "in_doubt";
  }
  return to_string(recorded);
}

}  // namespace cardswap
