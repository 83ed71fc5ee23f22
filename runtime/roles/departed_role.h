#pragma once

#include <optional>

#include "migrator/engine/target/target.h"
#include "runtime/memory_departure.h"
#include "runtime/roles/role_context.h"

namespace cardswap {

/// This process as one that CRIU dumps. Its memory is with a keeper, until it is taken back here or
/// found again where the process was restored.
///
/// On the channel's thread, except that it touches the memory on the training thread, which stands.
/// The table says which of this is done.
class DepartedRole {
 public:
  explicit DepartedRole(RoleContext& context) : context_(context) {}

  /// Gives the memory away and says so; nothing of an engine is left by now. Without a keeper that
  /// takes it the process stands as before, or is lost: the agent's news.
  void depart(const channel::Depart& depart);
  /// Takes the memory back. False, and the trainer stands on, when it is not to be had.
  [[nodiscard]] bool recall();
  /// Takes the memory in the restored process. Returns what it holds, when that is what it left
  /// with; else that is the agent's news.
  [[nodiscard]] std::optional<VerifiedState> arrive(const channel::Arrived& arrived);
  /// Gives the job up: this process takes no further step, and says so whenever it is told to go
  /// on.
  void mark_lost(const Error& why);

 private:
  RoleContext& context_;
  std::optional<MemoryDeparture>
      departure_;  // training thread: made, used and dropped while the trainer stands
};

}  // namespace cardswap
