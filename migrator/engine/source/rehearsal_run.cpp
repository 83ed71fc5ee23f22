#include "migrator/engine/source/rehearsal_run.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "migrator/base/ms_since.h"
#include "migrator/engine/source/frozen_send.h"
#include "migrator/engine/source/rehearsal.h"
#include "migrator/engine/source/rounding.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

/// How long the program waits at most for the standby's step: this time, plus as many of its own
/// steps.
constexpr std::chrono::milliseconds kRehearsalWaitMin{3000};
constexpr double kRehearsalWaitSteps = 3;

}  // namespace

bool decide_on_rehearsal(SourceContext& source) {
  const auto asked = source.options.spec.rehearse;
  if (asked == Rehearsal::off || !source.callbacks.rehearse) return false;
  const auto why = source.program.cannot_rehearse();
  if (!why) return true;
  if (asked == Rehearsal::only) {
    throw Error(Code::refused, fmt::format("a step of this program is not rehearsed: {}", *why),
                "nothing was moved, and nothing is known of what it may have forgotten");
  }
  source.reporter.note_rehearsal(RehearsalOutcome::left_out, *why);
  return false;
}

void RehearsalRun::begin() {
  auto& freeze = source_.freeze;
  source_.reporter.note_rehearsal_parked(
      ms_since(Clock::time_point(std::chrono::nanoseconds(freeze.state().last_step_end_ns))));
  source_.connection.begin_to_ask(&TargetAnswers::rehearsed, data::Rehearse{});
  freeze.drop();
  source_.callbacks.rehearse();
  source_.connection.progress_until([&] { return freeze.has_arrived(); });
}

void RehearsalRun::await_their_step() {
  const auto& theirs = source_.connection.answers().rehearsed;
  const auto until = Clock::now() + kRehearsalWaitMin +
                     std::chrono::milliseconds(static_cast<std::int64_t>(
                         kRehearsalWaitSteps * source_.program.median_step_ms()));
  source_.connection.progress_until([&] {
    if (theirs || Clock::now() < until) return theirs.has_value();
    throw Error(Code::timed_out,
                fmt::format("the standby did not come to the end of step {}, which it took beside "
                            "the job",
                            source_.freeze.state().step),
                "look at its log; --rehearse off moves the job without");
  });
}

std::vector<Digest> RehearsalRun::conclude() {
  const auto& frozen = source_.freeze.state();
  const auto start = Clock::now();
  auto digests = source_.state.compare(frozen.state_view, frozen_scan_threads());
  compare_ms_ = ms_since(start);
  const auto& theirs = source_.connection.answers().rehearsed->values;
  const auto& chunks = source_.state.chunks();
  const auto differing = chunks.differing(digests);
  const auto difference = rehearsal_difference(
      frozen.step, chunks, differing, source_.program.differing_values(frozen.values, theirs));
  // Chunks that differ by rounding are sent like any other differing chunk of the frozen state.
  const bool rounded =
      !difference.empty() && difference.values.empty() && differ_by_rounding(source_, differing);
  const bool passed = difference.empty() || rounded;
  source_.reporter.note_rehearsal(
      difference.empty() ? RehearsalOutcome::equal
      : rounded          ? RehearsalOutcome::rounding
                         : RehearsalOutcome::differs,
      rounded ? "by rounding alone: " + difference.text() : difference.text());
  if (!passed) throw Error(Code::digest_mismatch, difference.text(), difference.hint());
  if (source_.options.spec.rehearse == Rehearsal::only) {
    throw Error(Code::cancelled, "only a rehearsal was asked for: " + difference.text());
  }
  return digests;
}

}  // namespace cardswap
