#pragma once

#include <optional>

#include "migrator/engine/target/target.h"
#include "runtime/memory_departure.h"
#include "runtime/roles/role_context.h"

namespace cardswap {

/// This process while CRIU moves it. A custodian process holds its memory until the memory is taken
/// back here, or is received where the process was restored.
///
/// The channel's thread calls it. It accesses the memory on the training thread, which is parked.
/// The calls wait for that, and for the custodian or the holder (about 10 s at most for an answer).
/// The table decides which of the calls is made.
class DepartedRole {
 public:
  explicit DepartedRole(RoleContext& context) : context_(context) {}

  /// Gives the memory to the custodian and sends Departed. The engine must have ended. If the
  /// custodian does not take the memory, the process stays frozen, or is lost: both are sent as
  /// Failed.
  void depart(const channel::Depart& depart);
  /// Takes the memory back. True: the memory is back, and the migration is to be ended. False: the
  /// memory is lost, Failed{lost} was sent and the trainer is still frozen; or the migration is
  /// over already.
  [[nodiscard]] bool recall();
  /// Takes the memory in the restored process, and compares it with what the process left with.
  /// Returns the state that it holds. Nullopt: that failed, and Failed was sent.
  [[nodiscard]] std::optional<VerifiedState> arrive(const channel::Arrived& arrived);
  /// Tells the agent that the job's memory is gone (Failed with `lost`). Changes no state: the
  /// table does.
  void report_lost(const Error& why);

 private:
  RoleContext& context_;
  // The training thread's: made, used and dropped while the trainer is parked.
  std::optional<MemoryDeparture> departure_;
};

}  // namespace cardswap
