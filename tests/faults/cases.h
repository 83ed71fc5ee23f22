#pragma once

#include <array>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "agent/handover/protocol/source_rules.h"
#include "migrator/wire/runtime_messages.h"

/// What is broken, when, and who has the job afterwards: the matrix as data.
namespace cardswap::test {

enum class Damage {
  cancel,
  kill_source_trainer,
  kill_standby,  ///< the target's process, also after the commit
  kill_source_agent,
  kill_target_agent,
  kill_both_agents,
  restart_target_agent,  ///< killed and started again at once
  restart_both_agents,
  cut_link,
  cut_and_heal_link,  ///< before the commit at once; after it when the source is in doubt
  fill_source_disk,
  fill_target_disk,
};
inline constexpr std::array kDamages{Damage::cancel,
                                     Damage::kill_source_trainer,
                                     Damage::kill_standby,
                                     Damage::kill_source_agent,
                                     Damage::kill_target_agent,
                                     Damage::kill_both_agents,
                                     Damage::restart_target_agent,
                                     Damage::restart_both_agents,
                                     Damage::cut_link,
                                     Damage::cut_and_heal_link,
                                     Damage::fill_source_disk,
                                     Damage::fill_target_disk};

/// How a migration is kept in a state, or why it is not.
struct Held {
  handover::SourceState state;
  enum class By { standby, failpoint, trainer, nothing } by;
  std::string_view why_not = {};
};
inline constexpr std::array kHeld = [] {
  using enum handover::SourceState;
  using By = Held::By;
  return std::to_array<Held>({
      {planned, By::nothing, "it ends in the call that plans; nothing is awaited in it"},
      {preparing, By::standby},
      {standby_ready, By::failpoint},
      {syncing, By::failpoint},
      {converged, By::failpoint},
      {freezing, By::failpoint},
      {verifying, By::failpoint},
      {committed, By::failpoint},
      {resumed, By::trainer},
      {completed, By::nothing, "an end"},
      {aborting, By::nothing, "an outcome of most cases here; crash_at_a_random_time hits it"},
      {aborted, By::nothing, "an end"},
      {in_doubt, By::nothing, "an outcome of cases here; in_doubt_test has its own"},
      {superseded, By::nothing, "an end by an operator's word; two_epochs_test has it"},
      {captured, By::nothing, "of a snapshot; snapshot_faults_test has its crashes"},
      {stored, By::nothing, "an end of a snapshot"},
  });
}();

consteval bool every_state_is_listed_in_its_place() {
  if (kHeld.size() != handover::kSourceStates) return false;
  for (std::size_t i = 0; i < kHeld.size(); ++i) {
    if (kHeld[i].state != static_cast<handover::SourceState>(i)) return false;
    if ((kHeld[i].by == Held::By::nothing) == kHeld[i].why_not.empty()) return false;
  }
  return true;
}
static_assert(every_state_is_listed_in_its_place(), "a new state of a migration needs its crashes");

/// Who has the job in the end.
enum class Owner { source, target, either, nobody };

struct Case {
  Damage damage;
  Held held;
  ArrivalMode arrive = ArrivalMode::standby;
  bool ignores_moved = false;  ///< the program trains on after it was told that its job moved
  [[nodiscard]] bool before_commit() const { return !handover::is_committed(held.state); }
  [[nodiscard]] Owner owner() const;
};

[[nodiscard]] std::string to_string(Damage damage);
/// "KillStandby_syncing"
[[nodiscard]] std::string to_string(const Case& test);
std::ostream& operator<<(std::ostream& out, const Case& test);
/// Every damage at every state that can be held, where the damage has a meaning; after the commit
/// some of them with a program that ignores it. A process that
/// CRIU brings has no standby that could keep `preparing`.
[[nodiscard]] std::vector<Case> all_cases(ArrivalMode arrive = ArrivalMode::standby);

}  // namespace cardswap::test
