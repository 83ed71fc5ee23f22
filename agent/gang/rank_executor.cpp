#include "agent/gang/rank_executor.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <optional>
#include <variant>

#include "agent/base/validate.h"
#include "agent/gang/save_record.h"
#include "agent/handover/protocol/driver.h"

namespace cardswap::gang {
namespace {

/// An event of a trainer, with its step.
struct Heard {
  RankEvent event;
  std::uint64_t step = 0;
};

std::optional<Heard> heard_from(const std::string& gang, const channel::Message& message) {
  const auto about = [&](const std::string& id, RankEvent event, std::uint64_t step = 0) {
    return id == gang && step <= validate::kStepMax ? std::optional(Heard{event, step})
                                                    : std::nullopt;
  };
  if (const auto* built = std::get_if<channel::NextBuilt>(&message)) {
    return about(built->gang, RankEvent::prepared, built->earliest);
  }
  if (const auto* armed = std::get_if<channel::Armed>(&message)) {
    return about(armed->gang, RankEvent::gate_set, armed->step);
  }
  if (const auto* late = std::get_if<channel::Late>(&message)) {
    return about(late->gang, RankEvent::gate_passed, late->earliest);
  }
  if (const auto* reached = std::get_if<channel::Reached>(&message)) {
    return about(reached->gang, RankEvent::reached, reached->step);
  }
  if (const auto* first = std::get_if<channel::FirstStep>(&message)) {
    return about(first->migration, RankEvent::stepped);
  }
  if (std::holds_alternative<channel::Ended>(message)) return Heard{RankEvent::process_ended};
  return std::nullopt;
}

}  // namespace

std::optional<Error> failure_in(const std::string& gang, const channel::Message& message) {
  if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    if (failed->migration != gang) return std::nullopt;
    return Error(failed->code, failed->failure, failed->hint);
  }
  if (const auto* failed = std::get_if<channel::CheckFailed>(&message)) {
    if (failed->gang != gang) return std::nullopt;
    return Error(failed->code, failed->failure, failed->hint);
  }
  return std::nullopt;
}

void RankExecutor::drive(const RankSide& next, const RankEffects& effects) {
  const auto before = side_.state();
  const auto refused = handover::drive(
      side_, next, effects,
      [&](bool required) { return save_record(gang_, ports_, next.durable(), required); },
      [&](const RankEffect& effect) { execute(effect); });
  if (refused) throw Error(*refused);
  if (side_.state() != before) spdlog::info("gang {}: rank {}", gang_, to_string(side_.state()));
}

void RankExecutor::execute(const RankEffect& effect) noexcept {
  try {
    act(effect);
  } catch (...) {
    spdlog::error("gang {}: {}", gang_, error_of(std::current_exception()).what());
  }
}

void RankExecutor::act(const RankEffect& effect) {
  using Type = RankEffect::Type;
  switch (effect.type) {
    case Type::journal: break;  // drive() has written it
    case Type::report: ports_.changed(); break;
    case Type::ask: ports_.ask(); break;
    case Type::build: ports_.build(); break;
    case Type::arm: ports_.send(channel::Arm{gang_, effect.step}); break;
    case Type::check: ports_.send(channel::Check{gang_}); break;
    case Type::switch_over:
      ports_.raise_epoch(effect.epoch);
      ports_.send(channel::SwitchOver{gang_, effect.epoch});
      break;
    case Type::close: ports_.send(channel::CloseOld{gang_}); break;
    case Type::retire: ports_.send(channel::Retire{gang_}); break;
    case Type::release:
      ports_.raise_epoch(effect.epoch);
      ports_.send(channel::Release{gang_});
      break;
  }
}

RankStatus RankExecutor::obey(const Order& order) {
  auto next = side_;
  const auto effects = next.on(order);
  drive(next, effects);
  return side_.status();
}

void RankExecutor::apply(RankEvent event, std::uint64_t step) {
  auto next = side_;
  const auto effects = next.on(event, step);
  drive(next, effects);
}

bool RankExecutor::hear(const channel::Message& message) {
  if (const auto* checked = std::get_if<channel::Checked>(&message)) {
    if (checked->gang != gang_ || checked->step != side_.durable().step) return false;
    auto next = side_;
    // A rank that stays holds nothing for anybody else.
    const bool leaves = side_.durable().part == Part::leaves;
    const auto effects =
        next.checked(leaves ? Content{checked->state_digest, checked->step} : Content{});
    drive(next, effects);
    return true;
  }
  if (const auto failure = failure_in(gang_, message)) {
    spdlog::warn("gang {}: its trainer: {}", gang_, failure->what());
    // A process that never takes a step again is as good as ended, once it cannot go back.
    const auto* failed = std::get_if<channel::Failed>(&message);
    const bool is_lost = failed != nullptr && failed->lost && !may_withdraw(side_.state());
    apply(is_lost ? RankEvent::process_ended : RankEvent::failed);
    return true;
  }
  const auto heard = heard_from(gang_, message);
  if (heard) apply(heard->event, heard->step);
  return heard.has_value();
}

void RankExecutor::attached() { drive(RankSide(side_), side_.attached()); }

void RankExecutor::after_restart() {
  auto next = side_;
  const auto effects = next.after_restart();
  drive(next, effects);
}

}  // namespace cardswap::gang
