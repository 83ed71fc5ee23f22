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

/// Times the steps of a trainer whose job is to move. A source is timed from the request on, until
/// it is gone or has taken kStepsAfter steps since its release; a target is timed for its first
/// kStepsAfter steps.
///
/// A step lasts from its beginning to the beginning of the next one. A wait at the boundary is a
/// part of the step, as people who watch the training see it. While a job is in no migration,
/// nothing is timed and nobody comes here.
class LatenessWatch {
 public:
  explicit LatenessWatch(StepGate& gate) : gate_(gate) {}

  // ---- the channel's thread
  /// Begins with the step that is under way, against the pace of those before it. The last word on
  /// what was timed until now, where it was not said.
  [[nodiscard]] std::optional<channel::Message> begin(const std::string& migration);
  /// The job goes on here.
  void end_migration(const std::string& migration);
  /// Forgets the migration: the job is elsewhere, and the last word was said.
  void drop();
  /// What has changed since it was told last; nothing where nothing has.
  [[nodiscard]] std::optional<channel::Message> news();
  /// Makes news() say it all again, to an agent that may not have it.
  void repeat_report();
  /// The process ends: the last word, where it was not said.
  [[nodiscard]] std::optional<channel::Message> final_report();

  // ---- the training thread
  /// Notes that the job stands at the boundary that ended its step. Returns what is to be said of
  /// that.
  [[nodiscard]] std::optional<channel::Message> on_parked();
  /// The job is this process' own, and its first step is about to begin.
  void arrives(const std::string& migration);
  /// A boundary to which attention was paid is left for the next step.
  void step_begins();

 private:
  /// How far the migration is, to this process.
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
  std::string migration_ CARDSWAP_GUARDED_BY(mutex_);  ///< empty: nothing was timed yet
  channel::LateSteps late_ CARDSWAP_GUARDED_BY(mutex_);
  channel::FirstSteps first_steps_ CARDSWAP_GUARDED_BY(mutex_);
  bool stood_ CARDSWAP_GUARDED_BY(mutex_) = false;  ///< in the step under way
  bool changed_ CARDSWAP_GUARDED_BY(mutex_) = false;
  std::int64_t began_ns_ CARDSWAP_GUARDED_BY(mutex_) = 0;  ///< the step under way
};

}  // namespace cardswap
