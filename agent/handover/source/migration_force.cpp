#include "agent/handover/source/migration_force.h"

#include <fmt/format.h>

#include <utility>

#include "agent/process/process_tree.h"

namespace cardswap {
namespace {

using handover::SourceEvent;
using handover::TargetState;

constexpr std::chrono::seconds kAskMax{3};

Error nothing_to_force(const Migration& m, MigrationSide to) {
  return {Code::conflict,
          fmt::format("migration {} is {}: it cannot be forced to the {}", m.id(),
                      to_string(m.state()), to_string(to)),
          handover::is_over(m.state()) ? "it is over: `cardswap status " + m.id() + "`"
                                       : "`cardswap cancel " + m.id() + "` gives it up"};
}

/// Why the decision is refused, where the target answers and contradicts it, or knows nothing.
std::optional<Error> contradicted(const Migration& m, MigrationSide to, TargetState target_state) {
  // Its record may be gone and its process step: nobody there would halt that later on.
  if (target_state == TargetState::nothing) {
    return Error(
        Code::conflict,
        fmt::format("the agent of {} answers, and knows nothing of migration {}: its records may "
                    "be gone, and job {} may step there all the same",
                    m.spec().to, m.id(), m.spec().job),
        "look for its processes on that host, which is what is left to be asked; --overrule has "
        "your word count: `--force target` where one steps, `--force source` where none does");
  }
  if (to == MigrationSide::source && handover::is_granted(target_state)) {
    return Error(
        Code::conflict,
        fmt::format("job {} runs at {}: its agent answers again, and says {} (migration {})",
                    m.spec().job, m.spec().to, to_string(target_state), m.id()),
        "the migration ends by itself; --overrule takes the job back all the same, and "
        "halts the copy there for good");
  }
  const bool gone = target_state == TargetState::failed || target_state == TargetState::stopping;
  if (to == MigrationSide::target && gone) {
    return Error(Code::conflict,
                 fmt::format("job {} is not at {}: its agent answers, and says {} (migration {}); "
                             "the process that is frozen here may be its only good copy",
                             m.spec().job, m.spec().to, to_string(target_state), m.id()),
                 fmt::format("`cardswap resolve {} --force source` lets it go on here; --overrule "
                             "gives it up all the same",
                             m.id()));
  }
  return std::nullopt;
}

}  // namespace

asio::awaitable<void> force_migration(Pin<MigrationTask> task, OperatorDecision decision,
                                      const HandoverContext& context, TargetClient& targets) {
  const bool to_target = decision.to == MigrationSide::target;
  const auto event = to_target ? SourceEvent::forced_to_target : SourceEvent::forced_to_source;
  auto& m = task->migration();
  if (handover::SourceSide(m.record().side).on(event).empty())
    throw nothing_to_force(m, decision.to);
  const auto check_process = [&] {
    const bool all_live = m.are_all([&](const Transfer& transfer) {
      const auto* source = context.jobs.by_instance(transfer.instance());
      return source != nullptr && is_alive(source->program());
    });
    if (to_target || all_live) return;
    throw Error(Code::conflict,
                fmt::format("job {} has no process on {} any more: it cannot go on here "
                            "(migration {})",
                            m.spec().job, context.config.host_name, m.id()),
                "`--force target` where it runs there; else start it again from a checkpoint");
  };
  check_process();
  std::optional<TargetState> target_state;
  try {
    auto reservation = reservation_ref(m, m.only());
    const auto answer = co_await targets.state(std::move(reservation), kAskMax);
    target_state = answer.status->message.state;
  } catch (const Error& error) {
    if (error.code() == Code::not_found) target_state = TargetState::nothing;
  }
  auto side = m.record().side;  // its state may have changed meanwhile
  const auto effects = side.on(event);
  if (effects.empty()) throw nothing_to_force(m, decision.to);
  check_process();  // which may have ended meanwhile
  const auto against = target_state ? contradicted(m, decision.to, *target_state) : std::nullopt;
  if (against && !decision.overrule) throw Error(*against);
  const auto text =
      fmt::format("job {} migration {} is forced to the {} by an operator ({}); the target {}",
                  m.spec().job, m.id(), to_string(decision.to), decision.by,
                  target_state ? "says " + std::string(to_string(*target_state))
                               : std::string("does not answer"));
  spdlog::warn("{}", text);
  // A decision that the disk refuses was not made: apply() throws.
  task->executor().apply(side, effects,
                         [&](MigrationRecord& record) { record.forced = decision.to; });
  context.events.emit({"forced", text, m.spec().job, m.only().record().device(), m.id()});
}

}  // namespace cardswap
