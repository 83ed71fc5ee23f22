#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/plan/lateness.h"
#include "migrator/wire/runtime_messages.h"
#include "runtime/step_gate.h"

namespace cardswap {

/// Times the steps of a trainer during a migration. A source is timed from the request on, until it
/// is gone or has taken kStepsAfter steps since its release. A target is timed for its first
/// kStepsAfter steps.
///
/// A step lasts from its beginning to the beginning of the next one. A wait at the boundary is part
/// of the step, as for people who watch the training. While a job is in no migration, nothing is
/// timed; changes() then costs one lock. Messages that are returned are for the agent.
class LatenessWatch {
 public:
  explicit LatenessWatch(StepGate& gate) : gate_(gate) {}

  // ---- the channel's thread
  /// Begins to time a source, with the step that is under way; the pace of the steps before it is
  /// the standard. Returns the last report on an earlier migration, if that is still being timed.
  [[nodiscard]] std::optional<channel::Message> begin(const std::string& migration);
  /// The migration was released: the job goes on here.
  void end_migration(const std::string& migration);
  /// Forgets the migration: the job has moved, and the last report was sent.
  void drop();
  /// The report, if it has changed since it was last returned; else nullopt.
  [[nodiscard]] std::optional<channel::Message> changes();
  /// Makes changes() return the report again, for an agent that may not have it.
  void repeat_report();
  /// The process ends: the last report, if steps are still being timed; else nullopt.
  [[nodiscard]] std::optional<channel::Message> final_report();

  // ---- the training thread
  /// Notes that the job stands at the boundary that ended its step. Returns the report; nullopt:
  /// steps are not being timed.
  [[nodiscard]] std::optional<channel::Message> on_parked();
  /// Begins to time a target: this process is the job, and its first step is about to begin.
  void arrives(const std::string& migration);
  /// Called while steps are timed (StepGate::time_steps), when a boundary is left for the next
  /// step.
  void step_begins();

 private:
  /// How far the migration is, as seen by this process.
  enum class Phase : std::uint8_t { none, moving, going_on, after, arriving, first };

  [[nodiscard]] channel::Message report() const CARDSWAP_REQUIRES(mutex_);
  [[nodiscard]] std::optional<channel::Message> end() CARDSWAP_REQUIRES(mutex_);
  void enter(Phase phase) CARDSWAP_REQUIRES(mutex_);
  void add(double took_ms) CARDSWAP_REQUIRES(mutex_);
  [[nodiscard]] bool is_at_the_target() const CARDSWAP_REQUIRES(mutex_) {
    return first_steps_.migration == migration_;
  }

  StepGate& gate_;
  Mutex mutex_;
  Phase phase_ CARDSWAP_GUARDED_BY(mutex_) = Phase::none;
  std::string migration_ CARDSWAP_GUARDED_BY(mutex_);  ///< the one that was timed last; empty: none
  channel::LateSteps late_ CARDSWAP_GUARDED_BY(mutex_);
  channel::FirstSteps first_steps_ CARDSWAP_GUARDED_BY(mutex_);
  bool stood_ CARDSWAP_GUARDED_BY(mutex_) = false;  ///< the job stood in the step under way
  bool changed_ CARDSWAP_GUARDED_BY(mutex_) = false;
  /// When the step under way began, of steady_clock.
  std::int64_t began_ns_ CARDSWAP_GUARDED_BY(mutex_) = 0;
};

}  // namespace cardswap
