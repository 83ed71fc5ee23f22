#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// What one run of a source's agent follows of a transfer, beside the migration's state: its two
/// ends, each by a table of its own. Pure; none of it is on disk.
namespace cardswap {

/// How far the process here is, as its runtime tells.
enum class CopyOnSource : std::uint8_t {
  training,
  converged,  ///< trains, and a freeze would be short enough
  frozen,     ///< stands at the end of a step
  verified,   ///< stands, and both ends hold the same bytes
  departed,   ///< arrive criu: has given its memory and its devices away
  released,   ///< was told to go on here, and does
};
constexpr CopyOnSource last_of(CopyOnSource) { return CopyOnSource::released; }
[[nodiscard]] std::string_view to_string(CopyOnSource copy);

/// What became of the place for it at the target, as far as that answered.
enum class PlaceAtTarget : std::uint8_t {
  unasked,
  asked,
  accepted,
  granted,  ///< the grant was answered, be it by a refusal: the target's state says which
  dropped,  ///< nothing is there any more, or nobody who can be told
};
constexpr PlaceAtTarget last_of(PlaceAtTarget) { return PlaceAtTarget::dropped; }
[[nodiscard]] std::string_view to_string(PlaceAtTarget place);

/// Whether the target's agent answers, once it is decided.
enum class TargetLine : std::uint8_t { answers, silent };
constexpr TargetLine last_of(TargetLine) { return TargetLine::silent; }
[[nodiscard]] std::string_view to_string(TargetLine line);

/// What the target's agent is asked for before that.
enum class PollMode : std::uint8_t {
  state,  ///< as it is
  news,   ///< the next one: somebody waits for it
};
constexpr PollMode last_of(PollMode) { return PollMode::news; }
[[nodiscard]] std::string_view to_string(PollMode mode);

/// What the agent does for a stopped process to go on here.
enum class Continuation : std::uint8_t {
  none,
  under_way,  ///< its processes are let go on, and its devices are not back yet
  gpus_back,  ///< as far as this agent brings them
};
constexpr Continuation last_of(Continuation) { return Continuation::gpus_back; }
[[nodiscard]] std::string_view to_string(Continuation continuation);

/// What may follow what.
template <class State>
struct StateStep {
  State from;
  State to;
  bool operator==(const StateStep&) const = default;
};

inline constexpr std::array kCopySteps = [] {
  using enum CopyOnSource;
  return std::to_array<StateStep<CopyOnSource>>({{training, converged},
                                                 {converged, frozen},
                                                 {frozen, verified},
                                                 {verified, departed},
                                                 // Any of them can be given up.
                                                 {training, released},
                                                 {converged, released},
                                                 {frozen, released},
                                                 {verified, released},
                                                 {departed, released}});
}();

inline constexpr std::array kPlaceSteps = [] {
  using enum PlaceAtTarget;
  return std::to_array<StateStep<PlaceAtTarget>>({{unasked, asked},
                                                  {asked, accepted},
                                                  {accepted, granted},
                                                  {granted, accepted},  // in doubt: said again
                                                  {unasked, granted},   // of a former agent's
                                                  {unasked, dropped},   // likewise
                                                  {asked, dropped},
                                                  {accepted, dropped},
                                                  {granted, dropped}});
}();

inline constexpr std::array kContinuationSteps = [] {
  using enum Continuation;
  return std::to_array<StateStep<Continuation>>(
      {{none, under_way}, {under_way, gpus_back}, {under_way, none}});  // it took too long
}();

constexpr bool may_follow(CopyOnSource from, CopyOnSource to) {
  return std::ranges::find(kCopySteps, StateStep<CopyOnSource>{from, to}) != kCopySteps.end();
}
constexpr bool may_follow(PlaceAtTarget from, PlaceAtTarget to) {
  return std::ranges::find(kPlaceSteps, StateStep<PlaceAtTarget>{from, to}) != kPlaceSteps.end();
}
constexpr bool may_follow(Continuation from, Continuation to) {
  return std::ranges::find(kContinuationSteps, StateStep<Continuation>{from, to}) !=
         kContinuationSteps.end();
}
// An agent may answer or not at any time, and be asked for either.
constexpr bool may_follow(TargetLine, TargetLine) { return true; }
constexpr bool may_follow(PollMode, PollMode) { return true; }

/// Whether the process stands in `copy`, or stood there on its way: one that was released does not.
constexpr bool has_reached(CopyOnSource copy, CopyOnSource wanted) {
  return copy >= wanted && copy != CopyOnSource::released;
}

consteval bool is_a_release_the_end() {
  return std::ranges::none_of(kCopySteps,
                              [](const auto& step) { return step.from == CopyOnSource::released; });
}
consteval bool can_each_copy_be_released() {
  for (auto raw = 0; raw < static_cast<int>(CopyOnSource::released); ++raw) {
    if (!may_follow(static_cast<CopyOnSource>(raw), CopyOnSource::released)) return false;
  }
  return true;
}
consteval bool is_a_dropped_place_final() {
  return std::ranges::none_of(kPlaceSteps,
                              [](const auto& step) { return step.from == PlaceAtTarget::dropped; });
}
static_assert(is_a_release_the_end(), "it trains, and its runtime speaks of it no more");
static_assert(can_each_copy_be_released(), "invariant 3");
static_assert(is_a_dropped_place_final());

}  // namespace cardswap
