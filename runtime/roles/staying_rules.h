#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "migrator/base/rule_table.h"
#include "runtime/roles/staying_states.h"

/// The part of a trainer whose rank stays in a gang, as a table beside the one of a trainer that
/// moves (rules.h). The static_asserts below prove what must never happen. `StayingSide` reads it.
///
// clang-format off
/// training -> building -> built -> armed -> parked -> checking -> checked -> switched -> confirmed -> closed
///                                    ^--------+ (a later step)
///             (any of building .. checked: by its release -> training)
// clang-format on
namespace cardswap {

inline constexpr auto kStayingRules = [] {
  using enum StayingState;
  using enum StayingEvent;
  using Action = StayingAction;
  return std::to_array<StayingRule>({
      // The next communicator is built beside the loop ...
      {training, build_next, building, Action::build},
      {closed, build_next, building, Action::build},
      {build_failed, build_next, building, Action::build},
      {building, build_next, building, Action::none},
      {built, build_next, built, Action::report},
      {building, next_built, built, Action::report},
      {building, not_built, build_failed, Action::refuse},
      // ... a step is agreed on ...
      {built, arm, built, Action::arm},
      {armed, arm, armed, Action::arm},
      {parked, arm, parked, Action::arm},
      {built, gate_set, armed, Action::report},
      {armed, gate_set, armed, Action::report},
      {parked, gate_set, armed, Action::report},
      {parked, gate_kept, parked, Action::report},
      {built, gate_late, built, Action::report},
      {armed, gate_late, armed, Action::report},
      {parked, gate_late, parked, Action::report},
      {armed, reached, parked, Action::report},
      // ... where it tries the next communicator ...
      {parked, check, checking, Action::check},
      {checking, check, checking, Action::none},
      {checked, check, checked, Action::report},
      {checking, check_passed, checked, Action::report},
      {checking, check_failed, parked, Action::refuse},
      // ... and goes on with it.
      {checked, switch_over, switched, Action::switch_over},
      {switched, switch_over, switched, Action::none},
      {confirmed, switch_over, confirmed, Action::report},
      {closed, switch_over, closed, Action::report},
      {switched, stepped, confirmed, Action::report},
      {confirmed, close_old, closed, Action::close},
      {closed, close_old, closed, Action::none},
      // The gang was given up.
      {building, release, training, Action::release},
      {build_failed, release, training, Action::release},
      {built, release, training, Action::release},
      {armed, release, training, Action::release},
      {parked, release, training, Action::release},
      {checking, release, training, Action::release},
      {checked, release, training, Action::release},
      {training, release, training, Action::answer},
      {closed, release, closed, Action::answer},
  });
}();

/// Whether an agent's event comes too late in a state or is meant for another one: it is ignored
/// and gets no answer.
[[nodiscard]] constexpr bool is_ignored(StayingState in, StayingEvent event) {
  using enum StayingState;
  switch (event) {
    case StayingEvent::build_next: return in >= armed && in <= confirmed;
    case StayingEvent::arm: return in < built || in > parked;
    case StayingEvent::check: return in < parked || in > checked;
    case StayingEvent::switch_over: return in < checked;
    case StayingEvent::close_old: return in < confirmed;
    // A step that was taken with the next communicator cannot be taken back.
    case StayingEvent::release: return in == switched || in == confirmed;
    default: return false;
  }
}

/// Whether it goes on with the next communicator, under the next epoch.
[[nodiscard]] constexpr bool has_switched(StayingState state) {
  return state >= StayingState::switched;
}
/// Whether it has the next communicator and still uses the old one.
[[nodiscard]] constexpr bool has_next(StayingState state) {
  return state >= StayingState::built && !has_switched(state);
}
/// Whether it stands at the step to which its gate is set, until its agent's next message.
[[nodiscard]] constexpr bool is_parked(StayingState state) {
  return state >= StayingState::parked && !has_switched(state);
}

// The predicates of the static_asserts. A test breaks the table and checks which predicate finds
// it.
constexpr bool it_switches_only_after_its_check(std::span<const StayingRule> rules) {
  for (const auto& rule : rules) {
    const bool switches = rule.then == StayingAction::switch_over;
    const bool comes = has_switched(rule.to) && !has_switched(rule.from);
    if (switches != comes) return false;
    if (switches && (rule.from != StayingState::checked || rule.on != StayingEvent::switch_over)) {
      return false;
    }
    if (rule.to == StayingState::checked && rule.from != rule.to &&
        (rule.from != StayingState::checking || rule.on != StayingEvent::check_passed)) {
      return false;
    }
  }
  return true;
}
/// Whether what has switched never goes back: of it only the next gang makes anything else.
constexpr bool a_switch_is_never_taken_back(std::span<const StayingRule> rules) {
  for (const auto& rule : rules) {
    if (!has_switched(rule.from)) continue;
    if (rule.then == StayingAction::release) return false;
    const bool begins = rule.from == StayingState::closed && rule.on == StayingEvent::build_next;
    if (!has_switched(rule.to) && !begins) return false;
  }
  return true;
}
/// Whether one that stands goes on only by its agent: for a later step, with the next communicator
/// or with the one that it has.
constexpr bool a_parked_rank_goes_on_only_by_its_agent(std::span<const StayingRule> rules) {
  for (const auto& rule : rules) {
    if (!is_parked(rule.from) || is_parked(rule.to)) continue;
    const bool later = rule.from == StayingState::parked && rule.on == StayingEvent::gate_set &&
                       rule.to == StayingState::armed;
    const bool released = rule.on == StayingEvent::release && rule.then == StayingAction::release;
    const bool switched = rule.on == StayingEvent::switch_over;
    if (!later && !released && !switched) return false;
  }
  return true;
}
/// Whether it checks only where it stands, and stands only where its gate was set.
constexpr bool it_checks_only_where_it_stands(std::span<const StayingRule> rules) {
  for (const auto& rule : rules) {
    const bool checks = rule.then == StayingAction::check;
    const bool begins = rule.to == StayingState::checking && rule.from != rule.to;
    if (checks != begins) return false;
    if (checks && (rule.from != StayingState::parked || rule.on != StayingEvent::check)) {
      return false;
    }
    const bool stops = is_parked(rule.to) && !is_parked(rule.from);
    if (stops && (rule.from != StayingState::armed || rule.on != StayingEvent::reached)) {
      return false;
    }
    const bool arms = rule.to == StayingState::armed && rule.from != rule.to;
    if (arms && (!has_next(rule.from) || rule.on != StayingEvent::gate_set)) return false;
  }
  return true;
}
constexpr bool the_old_one_is_closed_after_the_first_step(std::span<const StayingRule> rules) {
  for (const auto& rule : rules) {
    const bool closes = rule.then == StayingAction::close;
    if (closes != (rule.to == StayingState::closed && rule.from != rule.to)) return false;
    if (closes && (rule.from != StayingState::confirmed || rule.on != StayingEvent::close_old)) {
      return false;
    }
    if (rule.to == StayingState::confirmed && rule.from != rule.to &&
        (rule.from != StayingState::switched || rule.on != StayingEvent::stepped)) {
      return false;
    }
  }
  return true;
}
constexpr bool it_is_released_from_each_state_before_the_switch(
    std::span<const StayingRule> rules) {
  for (std::size_t raw = 0; raw < kStayingStates; ++raw) {
    const auto from = static_cast<StayingState>(raw);
    if (has_switched(from) || from == StayingState::training) continue;
    const auto rule = rule_for(rules, from, StayingEvent::release);
    if (!rule || rule->to != StayingState::training || rule->then != StayingAction::release) {
      return false;
    }
  }
  return true;
}
/// Whether each event of an agent either has a rule or is ignored on purpose, in every state.
constexpr bool every_message_of_an_agent_has_an_answer(std::span<const StayingRule> rules) {
  for (std::size_t state = 0; state < kStayingStates; ++state) {
    for (std::size_t event = 0; event < kStayingAgentEvents; ++event) {
      const auto from = static_cast<StayingState>(state);
      const auto on = static_cast<StayingEvent>(event);
      if (rule_for(rules, from, on).has_value() == is_ignored(from, on)) return false;
    }
  }
  return true;
}

static_assert(it_switches_only_after_its_check(kStayingRules), "invariant 7: one epoch");
static_assert(a_switch_is_never_taken_back(kStayingRules), "invariants 2 and 7");
static_assert(a_parked_rank_goes_on_only_by_its_agent(kStayingRules), "invariants 3 and 7");
static_assert(it_checks_only_where_it_stands(kStayingRules), "invariant 7: one step");
static_assert(the_old_one_is_closed_after_the_first_step(kStayingRules), "invariant 7");
static_assert(it_is_released_from_each_state_before_the_switch(kStayingRules), "invariant 3");
static_assert(every_pair_is_listed_once(kStayingRules));
static_assert(every_message_of_an_agent_has_an_answer(kStayingRules));

}  // namespace cardswap
