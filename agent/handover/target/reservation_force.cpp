#include "agent/handover/target/reservation_force.h"

#include <fmt/format.h>

#include <utility>

namespace cardswap {

using handover::TargetEvent;

namespace {

/// Throws Error{conflict} for a rank of a job of many: its conductor decides for all of them.
void refuse_a_rank(const Reservation& r, const OperatorDecision& decision,
                   const HandoverContext& context) {
  const auto* rank = context.jobs.by_instance(r.instance());
  if (rank == nullptr || rank->job().world_size <= 1) return;
  throw Error(Code::conflict,
              fmt::format("migration {} moves a rank of job {}: the agent at {} decides for all "
                          "ranks",
                          r.migration(), rank->name(), r.record().from_api),
              fmt::format("`cardswap --agent {} resolve {} --force {}`", r.record().from_api,
                          r.migration(), to_string(decision.to)));
}

}  // namespace

asio::awaitable<void> force_reservation(Pin<ReservationTask> task, OperatorDecision decision,
                                        const HandoverContext& context) {
  const bool to_target = decision.to == MigrationSide::target;
  const auto event = to_target ? TargetEvent::forced_to_target : TargetEvent::forced_to_source;
  auto& r = task->reservation();
  const auto& migration = r.migration();
  const auto refuse = [&] {
    return Error(
        Code::conflict,
        fmt::format("migration {} is {} on {}: it cannot be forced to the {}", migration,
                    to_string(r.state()), context.config.host_name, to_string(decision.to)),
        "`cardswap status` on both hosts shows where the job is");
  };
  if (handover::TargetSide(r.record().side).on(event).empty()) throw refuse();
  refuse_a_rank(r, decision, context);
  std::string says;
  bool knows_nothing = false;
  if (to_target) {
    try {
      const auto said = (co_await task->source().ask()).message.decision;
      if (said == handover::Decision::aborted) says = "aborted";
      if (said == handover::Decision::pending) says = "pending";
    } catch (...) {  // its agent does not answer: the operator decides for that case
      if (context.tasks.is_stopping()) throw;
      knows_nothing = error_of(std::current_exception()).code() == Code::not_found;
    }
  }
  if (!says.empty() && !decision.overrule) {
    throw Error(Code::conflict,
                fmt::format("the job of migration {} is at {}: its agent answers, and says {}",
                            migration, r.record().from, says),
                "it goes on there; --overrule takes it here all the same, and halts the copy there "
                "for good");
  }
  if (knows_nothing && !decision.overrule) {
    throw Error(Code::conflict,
                fmt::format("the agent of {} answers, and knows nothing of migration {}: its "
                            "records may be gone, and the job may step there all the same",
                            r.record().from, migration),
                "look for its processes on that host; where none steps, --overrule takes the job "
                "here");
  }
  auto next = r.record().side;
  const auto effects = next.on(event);
  if (effects.empty()) throw refuse();
  const auto* standby = context.jobs.by_instance(r.instance());
  const auto name = standby != nullptr ? standby->name() : std::string();
  const auto text = fmt::format("job {} migration {} is forced to the {} by an operator ({})", name,
                                migration, to_string(decision.to), decision.by);
  spdlog::warn("{}", text);
  task->executor().apply(next, effects, [&](ReservationRecord& record) {
    record.forced = decision.to;
    if (to_target) return;
    record.error = Error(Code::cancelled, "an operator gave the job back to the source");
  });
  context.events.emit({"forced", text, name, {}, migration});
  task->notify_source();
}

}  // namespace cardswap
