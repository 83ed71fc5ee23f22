#pragma once

#include <cstddef>
#include <optional>

/// Functions for a state machine that is written as a table. `Rules` is an array or a span of
/// rules. A rule has a state (`from`), an event (`on`), the state that follows and the actions. All
/// functions can run at compile time.
namespace cardswap {

/// The rule for an event in a state. None: the event has no meaning in that state.
template <class Rules, class State, class Event>
[[nodiscard]] constexpr auto rule_for(const Rules& rules, State from, Event on)
    -> std::optional<typename Rules::value_type> {
  for (const auto& rule : rules) {
    if (rule.from == from && rule.on == on) return rule;
  }
  return std::nullopt;
}

/// Whether no pair of state and event has two rules.
template <class Rules>
[[nodiscard]] constexpr bool every_pair_is_listed_once(const Rules& rules) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (std::size_t j = i + 1; j < rules.size(); ++j) {
      if (rules[i].from == rules[j].from && rules[i].on == rules[j].on) return false;
    }
  }
  return true;
}

}  // namespace cardswap
