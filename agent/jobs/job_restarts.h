#pragma once

#include <cstdint>
#include <string>

#include "agent/jobs/instance_state.h"
#include "agent/jobs/job.h"
#include "agent/jobs/restart_rule.h"

/// The rule of what becomes of an instance that has ended, as values; and what a restart changes in
/// its job's record, with the way back.
namespace cardswap {

/// So often a job is started again.
inline constexpr std::uint32_t kRestartsMax = 5;

/// How the process of an instance ended.
struct ProcessEnd {
  bool known = false;   ///< somebody saw how
  bool failed = false;  ///< by a signal, or with another status than 0
};
/// The state of an instance after that. `stop_asked`: somebody had asked for its end.
[[nodiscard]] InstanceState state_after(InstanceState before, const ProcessEnd& end,
                                        bool stop_asked);

/// What the rule rests on.
struct EndedInstance {
  InstanceState state = InstanceState::ended;  ///< by state_after()
  bool standby = false;                        ///< never granted
  RestartRule restart = RestartRule::never;
  std::uint32_t restarts = 0;  ///< so far
  bool agent_stops = false;
  bool may_restart = false;  ///< JobOwnership::may_restart()
};
/// What becomes of it.
enum class AfterEnd : std::uint8_t {
  ends,           ///< its record says how, until somebody forgets it
  starts_again,   ///< its program does
  drops_standby,  ///< so does its record: its migration says what there is to say
};
[[nodiscard]] AfterEnd after_end(const EndedInstance& ended);

/// What an instance and its job were before they were to start again.
struct BeforeRestart {
  InstanceRecord record;
  std::vector<ProcessId> remains;
  std::uint64_t epoch = 0;
  std::uint32_t restarts = 0;
};
/// Makes of the record of an instance that has ended that of one that is to start: under the next
/// epoch, with another token.
[[nodiscard]] BeforeRestart begin_restart(Instance& instance);
/// Takes that back, because it could not be started: `why`.
void undo_restart(Instance& instance, BeforeRestart before, const std::string& why);

}  // namespace cardswap
