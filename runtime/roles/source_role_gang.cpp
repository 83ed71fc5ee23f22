// A migration of a gang, as the rank that leaves: it stands at the step that all ranks agree on,
// and is frozen there when they do.

#include <exception>
#include <optional>

#include "runtime/roles/source_role.h"

namespace cardswap {

std::optional<Error> SourceRole::wrong_way(const Boundary& boundary) const {
  const auto ranks = context_.ranks.load();
  if (!boundary.of_gang && ranks > 1) {
    return Error(Code::refused,
                 "this job has " + std::to_string(ranks) + " ranks, which move by a gang alone",
                 "name the rank: cardswap migrate JOB/RANK; snapshots of such a job are not taken");
  }
  if (!boundary.of_gang) return std::nullopt;
  if (ranks == 1) return Error(Code::refused, "this job has one rank, and needs no gang");
  if (boundary.arrival == ArrivalMode::criu) {
    return Error(Code::bad_request, "a rank of many does not move with its process",
                 "move it without --arrive criu");
  }
  if (boundary.asked == Strategy::replay) {
    return Error(Code::bad_request, "a rank of many does not replay updates",
                 "use --strategy auto, rounds or stop-copy");
  }
  return std::nullopt;
}

bool SourceRole::arm(const channel::Arm& arm) {
  const MutexLock lock(context_.mutex);
  if (!of_gang_ || context_.side().migration() != arm.gang) return false;
  if (context_.state() != TrainerState::syncing)
    return true;  // it is frozen, or has nothing to send
  // With the mutex held around both, so that on_reached() knows the step.
  const auto answer = context_.gate.arm(arm.step);
  if (!answer.is_set) {
    context_.send(channel::Late{arm.gang, answer.step});
    return true;
  }
  const bool stands = armed_for_ == answer.step && context_.gate.is_parked();
  armed_for_ = answer.step;
  context_.send(channel::Armed{arm.gang, answer.step});
  if (stands) context_.send(channel::Reached{arm.gang, answer.step});
  return true;
}

void SourceRole::on_reached() {
  {
    const MutexLock lock(context_.mutex);
    if (!of_gang_ || armed_for_ != context_.gate.step()) return;  // it goes on to a later one
    context_.send(channel::Reached{context_.side().migration(), *armed_for_});
  }
  if (const auto report = context_.lateness.on_parked()) context_.send(*report);
}

bool SourceRole::check(const channel::Check& check) {
  {
    const MutexLock lock(context_.mutex);
    if (!of_gang_ || context_.side().migration() != check.gang) return false;
    if (armed_for_ != context_.gate.step() || !context_.gate.is_parked()) return true;
    if (context_.state() != TrainerState::syncing) return true;  // it was said before
    if (context_.on(TrainerEvent::freeze, check.gang) != TrainerAction::park) return true;
    context_.gate.park();  // it stands already; from here on as any frozen trainer does
  }
  try {
    context_.on_trainer([this] { on_parked(); });
  } catch (...) {
    give_up(check.gang, error_of(std::current_exception()));
  }
  return true;
}

void SourceRole::report_to_gang(const std::string& gang, SourceCallbacks& callbacks) {
  callbacks.frozen = [this, gang](std::uint64_t) {
    const MutexLock lock(context_.mutex);
    (void)context_.on(TrainerEvent::freeze_holds, gang);  // its agent knows by Reached
  };
  callbacks.verified = [this, gang](const Digest& state_digest, const MigrationStats& stats) {
    const MutexLock lock(context_.mutex);
    if (context_.verified(TrainerEvent::digests_equal, gang, state_digest) != TrainerAction::report)
      return;
    context_.send(channel::SyncProgress{gang, stats});
    context_.send(channel::Checked{gang, context_.gate.step(), state_digest});
  };
  callbacks.failed = [this, gang](const Error& error) {
    const MutexLock lock(context_.mutex);
    // It has said what both hold. That its newcomer goes on with that is no failure.
    if (context_.state() == TrainerState::verified) return;
    if (!must_park(context_.state())) return context_.fail(gang, error);
    context_.send(channel::CheckFailed{gang, error.code(), error.failure(), error.hint()});
  };
}

}  // namespace cardswap
