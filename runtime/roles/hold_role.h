#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "migrator/base/mutex.h"
#include "runtime/roles/role_context.h"

namespace cardswap {

/// This process told to stand at a step, and steps that it takes again on the way there.
///
/// A hold is no migration: it changes no side. The gate holds the training thread; this role reads
/// the program for it, and tells the agent. A migration to a store may run while it is held.
class HoldRole {
 public:
  explicit HoldRole(RoleContext& context) : context_(context) {}

  // ---- any thread
  /// Hold at the first boundary of `step` or later; 0: nowhere, and go on.
  void hold_at(std::uint64_t step) { context_.gate.hold_at(step); }
  /// Steps up to this one were taken before, by another process of the job; 0: none.
  void take_again_until(std::uint64_t step) { again_until_ = step; }
  /// Whether the step under way was taken before.
  [[nodiscard]] bool is_taken_again() const { return context_.gate.step() < again_until_.load(); }
  /// Whether the tracker must be told which gradients the step under way uses.
  [[nodiscard]] bool wants_gradients() const { return context_.gate.is_within_hold(2); }

  // ---- the channel's thread
  /// Has report() tell again that it is held, to an agent that may be a new one.
  void repeat_report();
  /// Tells the agent that it is held, if that is new.
  void report();

  // ---- the training thread; nothing throws
  /// Reads at a boundary which gradients belong to the state, which shows at two boundaries in a
  /// row, as in a migration. Does nothing where a migration reads the program itself (`is_read`),
  /// and while it is held: without a step between, nothing would show. Returns whether it has.
  [[nodiscard]] bool on_boundary(bool is_read);
  /// Reads the program, which is held from now on, and keeps what to report: the step, and the
  /// state digest that a snapshot would have, or why it cannot be read. Takes as long as to digest
  /// the state.
  void on_held();
  /// Forgets what on_held() has kept: the program goes on.
  void on_let_go();

 private:
  RoleContext& context_;
  std::atomic<std::uint64_t> again_until_{0};
  Mutex mutex_;
  std::optional<channel::Held> held_ CARDSWAP_GUARDED_BY(mutex_);  // nullopt: it is not
  bool is_told_ CARDSWAP_GUARDED_BY(mutex_) = false;
};

}  // namespace cardswap
