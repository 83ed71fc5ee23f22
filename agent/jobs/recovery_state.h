#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// The state of a job's recovery on this host: of the one that is under way, or of the last one.
enum class RecoveryState : std::uint8_t {
  none,        ///< there was none
  pending,     ///< the agent owes the job a start, also after a restart of the agent
  arriving,    ///< its program has the job, and is not known to have completed a step
  recovered,   ///< it went on from a snapshot
  begun_anew,  ///< it found no snapshot: the job began at its first step
  failed,      ///< it came to nothing
  dropped,     ///< nobody wanted it any more: the job was stopped, ended well, or had moved
};
constexpr RecoveryState last_of(RecoveryState) { return RecoveryState::dropped; }

/// Names a state, such as "pending", in JSON and in the journal.
[[nodiscard]] constexpr std::string_view to_string(RecoveryState state) {
  using enum RecoveryState;
  switch (state) {
    case none: return "none";
    case pending: return "pending";
    case arriving: return "arriving";
    case recovered: return "recovered";
    case begun_anew: return "begun_anew";
    case failed: return "failed";
    case dropped: return "dropped";
  }
  return "none";
}

}  // namespace cardswap
