#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/handover/answers.h"
#include "agent/handover/migrations.h"
#include "agent/handover/reservations.h"

namespace cardswap {
namespace {

using handover::Event;
using handover::TargetEvent;
using handover::TargetState;

constexpr std::chrono::seconds kAskMax{3};

Error nothing_to_force(const Migration& m, const std::string& to) {
  return {Code::conflict,
          fmt::format("migration {} is {}: it cannot be forced to the {}", m.id,
                      to_string(m.state()), to),
          handover::is_over(m.state()) ? "it is over: `cardswap status " + m.id + "`"
                                       : "`cardswap cancel " + m.id + "` gives it up"};
}

/// Why the word is not taken, where the target answers and says otherwise.
std::optional<Error> contradicted(const Migration& m, const std::string& to, TargetState says) {
  if (to == "source" && handover::is_granted(says)) {
    return Error(
        Code::conflict,
        fmt::format("job {} runs at {}: its agent answers again, and says {} (migration {})",
                    m.spec.job, m.spec.to, to_string(says), m.id),
        "the migration ends by itself; --overrule takes the job back all the same, and "
        "makes the copy there stand for good");
  }
  const bool gone =
      says == TargetState::failed || says == TargetState::nothing || says == TargetState::stopping;
  if (to == "target" && gone) {
    return Error(Code::conflict,
                 fmt::format("job {} is not at {}: its agent answers, and says {} (migration {}); "
                             "the process that stands here may be its only good copy",
                             m.spec.job, m.spec.to, to_string(says), m.id),
                 fmt::format("`cardswap resolve {} --force source` lets it go on here; --overrule "
                             "gives it up all the same",
                             m.id));
  }
  return std::nullopt;
}

}  // namespace

asio::awaitable<void> Migrations::force(std::string id, OperatorsWord word) {
  const bool to_target = word.to == "target";
  const auto event = to_target ? Event::forced_to_target : Event::forced_to_source;
  auto& m = at(id);
  const auto pin = m.in_use;
  if (handover::SourceSide(m.side).on(event).empty()) throw nothing_to_force(m, word.to);
  const auto check_process = [&] {
    const bool all_live = m.each([&](const Transfer& transfer) {
      const auto* source = jobs_.by_instance(transfer.instance);
      return source != nullptr && is_alive(source->process);
    });
    if (to_target || all_live) return;
    throw Error(Code::conflict,
                fmt::format("job {} has no process on {} any more: it cannot go on here "
                            "(migration {})",
                            m.spec.job, config_.host_name, id),
                "`--force target` where it runs there; else start it again from a checkpoint");
  };
  check_process();
  std::optional<TargetState> says;
  try {
    const auto answer =
        co_await ask(peer(m.first()), "GET", reservation_path(id), nullptr, kAskMax);
    says = target_status_from(peer(m.first()).text(), m.epoch(), answer).message.state;
  } catch (const Error& error) {
    if (error.code() == Code::not_found) says = TargetState::nothing;
  }
  auto side = m.side;  // its state may have changed meanwhile
  const auto effects = side.on(event);
  if (effects.empty()) throw nothing_to_force(m, word.to);
  check_process();  // which may have ended meanwhile
  const auto against = says ? contradicted(m, word.to, *says) : std::nullopt;
  if (against && !word.overrule) throw Error(*against);
  const auto text =
      fmt::format("job {} migration {} is forced to the {} by an operator ({}); the target {}",
                  m.spec.job, id, word.to, word.by,
                  says ? "says " + std::string(to_string(*says)) : std::string("does not answer"));
  spdlog::warn("{}", text);
  const auto before = m.state();
  const auto forced_before = std::exchange(m.forced, word.to);
  try {
    apply(m, side, effects);
  } catch (...) {  // a word that the disk did not take was not said
    if (m.state() == before) m.forced = forced_before;
    throw;
  }
  if (tell_) tell_({"forced", text, m.spec.job, m.first().device(), id});
}

asio::awaitable<void> Reservations::force(std::string migration, OperatorsWord word) {
  const bool to_target = word.to == "target";
  const auto event = to_target ? TargetEvent::forced_to_target : TargetEvent::forced_to_source;
  auto& r = at(migration);
  const auto pin = r.in_use;
  const auto refuse = [&] {
    return Error(Code::conflict,
                 fmt::format("migration {} is {} on {}: it cannot be forced to the {}", migration,
                             to_string(r.side.state()), config_.host_name, word.to),
                 "`cardswap status` on both hosts shows where the job is");
  };
  if (handover::TargetSide(r.side).on(event).empty()) throw refuse();
  std::string says;
  if (to_target) {
    try {
      const auto decision = (co_await ask_source(r)).message.decision;
      if (decision == handover::Decision::aborted) says = "aborted";
      if (decision == handover::Decision::pending) says = "pending";
    } catch (...) {  // its agent does not answer: that is what the word is for
      if (tasks_.stopping()) throw;
    }
  }
  if (!says.empty() && !word.overrule) {
    throw Error(Code::conflict,
                fmt::format("the job of migration {} is at {}: its agent answers, and says {}",
                            migration, r.from, says),
                "it goes on there; --overrule takes it here all the same, and makes the copy there "
                "stand for good");
  }
  auto next = r.side;
  const auto effects = next.on(event);
  if (effects.empty()) throw refuse();
  const auto* standby = jobs_.by_instance(r.instance);
  const auto name = standby != nullptr ? standby->name() : std::string();
  const auto text = fmt::format("job {} migration {} is forced to the {} by an operator ({})", name,
                                migration, word.to, word.by);
  spdlog::warn("{}", text);
  const auto before = r.side.state();
  const auto forced_before = std::exchange(r.forced, word.to);
  const auto error_before = r.error;
  if (!to_target) r.error = Error(Code::cancelled, "an operator gave the job back to the source");
  try {
    apply(r, next, effects);
  } catch (...) {
    if (r.side.state() == before) {
      r.forced = forced_before;
      r.error = error_before;
    }
    throw;
  }
  if (tell_) tell_({"forced", text, name, {}, migration});
  if (r.side.record().open) {
    tasks_.spawn("tell the source of " + migration, tell_source(migration));
  }
}

}  // namespace cardswap
