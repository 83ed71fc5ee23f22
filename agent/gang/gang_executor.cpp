#include "agent/gang/gang_executor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <exception>

#include "agent/gang/save_record.h"
#include "agent/handover/protocol/driver.h"

namespace cardswap::gang {

void GangExecutor::drive(const GangSide& next, const GangEffects& effects) {
  const auto before = side_.state();
  const auto refused = handover::drive(
      side_, next, effects,
      [&](bool required) { return save_record(gang_, ports_, next.durable(), required); },
      [&](const GangEffect& effect) { execute(effect, next); });
  if (refused) throw Error(*refused);
  if (side_.state() != before) spdlog::info("gang {} {}", gang_, to_string(side_.state()));
}

/// One rank whose message cannot be sent keeps back nobody else's.
void GangExecutor::execute(const GangEffect& effect, const GangSide& next) noexcept {
  const auto logged = [&](auto act) {
    try {
      act();
    } catch (...) {
      spdlog::error("gang {}: {}", gang_, error_of(std::current_exception()).what());
    }
  };
  if (effect.type == GangEffect::Type::alert_operator) {
    logged([&] { ports_.alert(next.durable()); });
    return;
  }
  for (std::uint32_t rank = 0; rank < next.durable().ranks.size(); ++rank) {
    if (next.is_for(effect, rank)) logged([&] { act(effect, next, rank); });
  }
}

void GangExecutor::act(const GangEffect& effect, const GangSide& next, std::uint32_t rank) {
  switch (effect.type) {
    case GangEffect::Type::order: ports_.order(rank, next.order(effect.order)); break;
    case GangEffect::Type::tell: ports_.tell(rank, next.message(rank, effect.message)); break;
    case GangEffect::Type::journal:
    case GangEffect::Type::alert_operator: break;  // of no single rank
  }
}

void GangExecutor::apply(GangEvent event) {
  auto next = side_;
  const auto effects = next.on(event);
  drive(next, effects);
}
void GangExecutor::hear(std::uint32_t rank, const RankStatus& status) {
  auto next = side_;
  const auto effects = next.on(rank, status);
  drive(next, effects);
}
void GangExecutor::hear(std::uint32_t rank, const handover::Message& message) {
  if (!has_rank(rank, true)) return;
  auto next = side_;
  const auto effects = next.on(rank, message);
  drive(next, effects);
}

void GangExecutor::tick(std::uint32_t rank) {
  if (has_rank(rank, false)) drive(GangSide(side_), side_.tick(rank));
}
void GangExecutor::tick_newcomer(std::uint32_t rank) {
  if (has_rank(rank, true)) drive(GangSide(side_), side_.tick_newcomer(rank));
}

void GangExecutor::after_restart() {
  auto next = side_;
  const auto effects = next.after_restart();
  drive(next, effects);
}

Order GangExecutor::decision(std::uint32_t rank, Epoch epoch) const {
  if (!has_rank(rank, false)) {
    throw Error(Code::not_found, fmt::format("gang {} has no rank {}", gang_, rank));
  }
  if (epoch != side_.durable().epoch) {
    throw Error(Code::refused,
                fmt::format("gang {} leads to epoch {}, and rank {} asks about epoch {}", gang_,
                            side_.durable().epoch, rank, epoch));
  }
  return side_.order(side_.due_order(rank));
}

bool GangExecutor::has_rank(std::uint32_t rank, bool leaves) const {
  const auto& ranks = side_.durable().ranks;
  return rank < ranks.size() && (!leaves || ranks[rank].part == Part::leaves);
}

}  // namespace cardswap::gang
