#pragma once

#include <functional>

#include "migrator/base/error.h"
#include "tests/unit/gang/world.h"

/// The agents around their sides: what they have in memory and on disk, and what they do.
namespace cardswap::gang::model {

inline constexpr std::uint8_t kBuild = 1;
inline constexpr std::uint8_t kCheck = 2;
inline constexpr std::uint8_t kPassed = 4;

[[nodiscard]] inline Life life(std::uint8_t value) { return static_cast<Life>(value); }
[[nodiscard]] inline bool lives(std::uint8_t value) {
  return life(value) == Life::alive || life(value) == Life::halted;
}
/// Whether its gate has parked it.
[[nodiscard]] bool is_parked(const World::Rank& rank);
/// Whether it may step: there is a process, and it needs no word of its agent.
[[nodiscard]] bool is_free(const World::Rank& rank);
[[nodiscard]] bool is_free(const World::Newcomer& newcomer);
/// The first step at which its gate could park it.
[[nodiscard]] std::uint8_t earliest(const World::Rank& rank);
/// Tells the trainer of a rank that stays an event, and does what it is asked for then.
void tell_trainer(World& w, const Options& options, std::size_t rank, StayingEvent event);
/// Puts it on the network; a full network loses it.
void send(World& w, const Options& options, const Letter& letter);

[[nodiscard]] Letter letter_of(std::size_t rank, const Order& order);
[[nodiscard]] Letter letter_of(std::size_t rank, const RankStatus& status);
[[nodiscard]] Letter letter_of(Letter::Way way, std::size_t rank, const handover::Message& message);
[[nodiscard]] Order order_of(const Letter& letter);
[[nodiscard]] RankStatus status_of(const Letter& letter);
/// What the conductor answers a rank's agent that asks what was decided (GangExecutor::decision()).
[[nodiscard]] GangEffects answer_to(const GangSide& side, std::uint32_t rank);
[[nodiscard]] handover::Message message_of(const Letter& letter);

/// The conductor.
struct GangAgent {
  using Side = GangSide;
  [[nodiscard]] static GangSide side(const World& w, const Options& options, std::size_t);
  static void remember(World& w, const GangSide& side, std::size_t);
  static void journal(World& w, const GangSide& side, std::size_t);
  static void crash(World& w, std::size_t);
  /// Does one act for each rank that the effect is for, and calls `before` before each.
  static void execute(World& w, const Options& options, const GangEffect& effect,
                      const GangSide& side, std::size_t, const std::function<void()>& before);
};

/// The agent of a rank.
struct RankAgent {
  using Side = RankSide;
  [[nodiscard]] static RankSide side(const World& w, const Options& options, std::size_t rank);
  static void remember(World& w, const RankSide& side, std::size_t rank);
  static void journal(World& w, const RankSide& side, std::size_t rank);
  static void crash(World& w, std::size_t rank);
  static void execute(World& w, const Options& options, const RankEffect& effect,
                      const RankSide& side, std::size_t rank, const std::function<void()>& before);
};

/// The agent of a newcomer, by the rank that it is to be.
struct NewcomerAgent {
  using Side = handover::TargetSide;
  [[nodiscard]] static Side side(const World& w, const Options& options, std::size_t rank);
  static void remember(World& w, const Side& side, std::size_t rank);
  static void journal(World& w, const Side& side, std::size_t rank);
  static void crash(World& w, std::size_t rank);
  static void execute(World& w, const Options& options, const handover::Effect& effect,
                      const Side& side, std::size_t rank, const std::function<void()>& before);
};

[[nodiscard]] inline World::Newcomer& newcomer_of(World& w, std::size_t rank) {
  return w.newcomers[rank - w.stay];
}
[[nodiscard]] inline const World::Newcomer& newcomer_of(const World& w, std::size_t rank) {
  return w.newcomers[rank - w.stay];
}
[[nodiscard]] inline std::size_t ranks_of(const World& w) { return std::size_t{w.stay} + w.leave; }

/// Steps that the agents take, by messages, by what they see and by themselves.
void agents_next(const World& world, const Options& options, Nexts& found);

}  // namespace cardswap::gang::model
