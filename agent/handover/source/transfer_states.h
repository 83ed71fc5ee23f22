#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// States of a transfer's two ends that the source's agent follows besides the migration's state,
/// each with a table of its steps. Pure; none of them is on disk.
namespace cardswap {

/// How far the process here is, as its runtime reports.
enum class SourceProgress : std::uint8_t {
  training,
  converged,  ///< trains, and a freeze would be short enough
  frozen,     ///< frozen at the end of a step
  verified,   ///< frozen, and both ends hold the same bytes
  departed,   ///< arrive criu: has given its memory and its devices away
  released,   ///< was told to go on here, and does
};
constexpr SourceProgress last_of(SourceProgress) { return SourceProgress::released; }
[[nodiscard]] std::string_view to_string(SourceProgress copy);

/// The reservation at the target, as far as the target has answered.
enum class ReservationProgress : std::uint8_t {
  unasked,
  asked,
  accepted,
  grant_answered,  ///< the grant was answered, be it by a refusal: the target's state says which
  dropped,         ///< the target holds nothing any more, or its agent cannot be told
};
constexpr ReservationProgress last_of(ReservationProgress) { return ReservationProgress::dropped; }
[[nodiscard]] std::string_view to_string(ReservationProgress progress);

/// What the agent has done so that a stopped process goes on here.
enum class Continuation : std::uint8_t {
  none,
  under_way,  ///< its processes are being continued, and its GPUs are not back yet
  gpus_back,  ///< its GPUs are back, as far as this agent can bring them back
};
constexpr Continuation last_of(Continuation) { return Continuation::gpus_back; }
[[nodiscard]] std::string_view to_string(Continuation continuation);

/// A step that is allowed from one state to another.
template <class State>
struct StateStep {
  State from;
  State to;
  bool operator==(const StateStep&) const = default;
};

inline constexpr std::array kCopySteps = [] {
  using enum SourceProgress;
  return std::to_array<StateStep<SourceProgress>>({{training, converged},
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

inline constexpr std::array kReservationSteps = [] {
  using enum ReservationProgress;
  return std::to_array<StateStep<ReservationProgress>>(
      {{unasked, asked},
       {asked, accepted},
       {accepted, grant_answered},
       {grant_answered, accepted},  // in doubt: said again
       {unasked, grant_answered},   // taken over from a former agent
       {unasked, dropped},          // taken over from a former agent
       {asked, dropped},
       {accepted, dropped},
       {grant_answered, dropped}});
}();

inline constexpr std::array kContinuationSteps = [] {
  using enum Continuation;
  return std::to_array<StateStep<Continuation>>(
      {{none, under_way}, {under_way, gpus_back}, {under_way, none}});  // it took too long
}();

constexpr bool may_follow(SourceProgress from, SourceProgress to) {
  return std::ranges::find(kCopySteps, StateStep<SourceProgress>{from, to}) != kCopySteps.end();
}
constexpr bool may_follow(ReservationProgress from, ReservationProgress to) {
  return std::ranges::find(kReservationSteps, StateStep<ReservationProgress>{from, to}) !=
         kReservationSteps.end();
}
constexpr bool may_follow(Continuation from, Continuation to) {
  return std::ranges::find(kContinuationSteps, StateStep<Continuation>{from, to}) !=
         kContinuationSteps.end();
}

/// Whether a process in the state `copy` is in `wanted` or has passed it. False after a release.
constexpr bool has_reached(SourceProgress copy, SourceProgress wanted) {
  return copy >= wanted && copy != SourceProgress::released;
}

consteval bool is_a_release_the_end() {
  return std::ranges::none_of(
      kCopySteps, [](const auto& step) { return step.from == SourceProgress::released; });
}
consteval bool can_each_copy_be_released() {
  for (auto raw = 0; raw < static_cast<int>(SourceProgress::released); ++raw) {
    if (!may_follow(static_cast<SourceProgress>(raw), SourceProgress::released)) return false;
  }
  return true;
}
consteval bool is_a_dropped_reservation_final() {
  return std::ranges::none_of(kReservationSteps, [](const auto& step) {
    return step.from == ReservationProgress::dropped;
  });
}
static_assert(is_a_release_the_end(), "it trains, and its runtime speaks of it no more");
static_assert(can_each_copy_be_released(), "invariant 3");
static_assert(is_a_dropped_reservation_final());

}  // namespace cardswap
