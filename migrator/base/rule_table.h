#pragma once

#include <cstddef>
#include <optional>

/// What a state machine that is written as a table has, whatever its states are: `Rules` is an
/// array or a span of rules, and a rule says what an event (`on`) in a state (`from`) leads to,
/// and what is done about it. All of it can be asked by the compiler.
namespace cardswap {

/// The rule for an event in a state. None: the event means nothing there.
template <class Rules, class State, class Event>
[[nodiscard]] constexpr auto rule_for(const Rules& rules, State from, Event on)
    -> std::optional<typename Rules::value_type> {
  for (const auto& rule : rules) {
    if (rule.from == from && rule.on == on) return rule;
  }
  return std::nullopt;
}

/// Whether the rule that rule_for() finds is the only one of each pair.
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
