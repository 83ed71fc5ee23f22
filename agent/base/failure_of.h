#pragma once

#include <boost/asio/awaitable.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "agent/base/task_group.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Awaits `work` and returns what it threw, for a caller that has to wait for more before it passes
/// that on: a handler cannot. nullopt: nothing. While `tasks` stops, throws what `work` throws: an
/// end of the agent is no failure. Name the awaitable before, and choose it there: GCC 12 destroys
/// the operand of a conditional expression within an awaited call twice.
[[nodiscard]] inline asio::awaitable<std::optional<Error>> failure_of(const TaskGroup& tasks,
                                                                      asio::awaitable<void> work) {
  try {
    co_await std::move(work);
    co_return std::nullopt;
  } catch (...) {
    if (tasks.is_stopping()) throw;
    co_return error_of(std::current_exception());
  }
}

/// What a coroutine came to: its value, or what it threw.
template <class T>
struct Tried {
  std::optional<T> value;
  std::optional<Error> error;
};

/// Does what failure_of() does, of work that has a value.
template <class T>
[[nodiscard]] asio::awaitable<Tried<T>> tried(const TaskGroup& tasks, asio::awaitable<T> work) {
  Tried<T> got;
  try {
    got.value.emplace(co_await std::move(work));
  } catch (...) {
    if (tasks.is_stopping()) throw;
    got.error.emplace(error_of(std::current_exception()));
  }
  co_return got;
}

}  // namespace cardswap
