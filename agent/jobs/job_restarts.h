#pragma once

#include <cstdint>
#include <string>

#include "agent/jobs/instance_state.h"
#include "agent/jobs/job.h"
#include "agent/jobs/restart_rule.h"

/// The rule for an instance that has ended, as pure functions; and the changes of a restart in its
/// job's record, with their undo.
namespace cardswap {

/// How often a job is started again at most.
inline constexpr std::uint32_t kRestartsMax = 5;

/// How the process of an instance ended.
struct ProcessEnd {
  bool known = false;   ///< its exit status is known
  bool failed = false;  ///< it ended by a signal, or with another status than 0
};
/// The state of an instance after its end. `stop_asked`: somebody had asked for its end.
[[nodiscard]] InstanceState state_after(InstanceState before, const ProcessEnd& end,
                                        bool stop_asked);

/// The input of after_end().
struct EndedInstance {
  InstanceState state = InstanceState::ended;  ///< by state_after()
  bool standby = false;                        ///< it was never granted its job
  RestartRule restart = RestartRule::never;
  std::uint32_t restarts = 0;  ///< so far
  bool agent_stops = false;
  bool may_restart = false;     ///< JobOwnership::may_restart()
  bool has_snapshots = false;   ///< it is to go on from one, and not to begin anew
  bool recovery_asked = false;  ///< somebody has ended it so that it goes on from a snapshot
  bool is_sender = false;       ///< it was a snapshot sender: its end is the restore's affair
};
/// What is done with an ended instance.
enum class AfterEnd : std::uint8_t {
  ends,           ///< its record stays and says how it ended, until somebody forgets the job
  starts_again,   ///< its program is started again
  recovers,       ///< it goes on from a snapshot: RecoveryNotes::is_pending
  drops_standby,  ///< its record is removed: its migration's record says why it ended
};
/// Applies the rule. Pure.
[[nodiscard]] AfterEnd after_end(const EndedInstance& ended);

/// The former values of an instance and its job, for undo_restart().
struct BeforeRestart {
  InstanceRecord record;
  std::vector<ProcessId> remains;
  std::uint64_t epoch = 0;
  std::uint32_t restarts = 0;
};
/// Turns the record of an ended instance into that of one which is about to start: under the next
/// epoch, with a new token. In memory only. Throws Error{io} if the kernel gives no random
/// bytes.
[[nodiscard]] BeforeRestart begin_restart(Instance& instance);
/// Restores the former values, because it could not be started, and adds `why` to the record.
void undo_restart(Instance& instance, BeforeRestart before, const std::string& why);

}  // namespace cardswap
