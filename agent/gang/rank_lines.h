#pragma once

#include <spdlog/spdlog.h>

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/task_group.h"

namespace cardswap::gang {

/// The lines of a conductor to the agents of ranks, or of newcomers: one a rank, each a task of its
/// own, so that a host that is slow to answer holds up no other.
///
/// A line has one call under way. What is said meanwhile waits, and of that only the latest: an
/// order says all that earlier ones said. A call that fails is told by `failed`, and is not
/// repeated here. Owned by the gang's task; it must outlive the tasks of `tasks`. One thread.
template <class Said, class Heard>
class RankLines {
 public:
  /// What the owner gives. `call` makes one call; what it or `answered` throws is told by `failed`,
  /// which must not throw.
  struct Ends {
    std::function<asio::awaitable<Heard>(std::uint32_t rank, Said said)> call;
    std::function<void(std::uint32_t rank, const Heard& heard)> answered;
    std::function<void(std::uint32_t rank, const Error& why)> failed;
  };

  /// `name` is the gang's, for the log.
  RankLines(TaskGroup& tasks, std::string name, std::size_t ranks, Ends ends)
      : tasks_(tasks), name_(std::move(name)), ends_(std::move(ends)), lines_(ranks) {}
  RankLines(const RankLines&) = delete;
  RankLines& operator=(const RankLines&) = delete;

  /// Sends `said` to a rank, which must be one of the job's; returns at once.
  void send(std::uint32_t rank, const Said& said) {
    auto& line = lines_.at(rank);
    line.waiting = said;
    if (line.is_busy) return;
    line.is_busy = true;
    tasks_.spawn(name_ + " rank " + std::to_string(rank), work(rank));
  }
  /// Whether a call to that rank is under way.
  [[nodiscard]] bool is_busy(std::uint32_t rank) const { return lines_.at(rank).is_busy; }

 private:
  /// What is under way to one rank, and what waits for that.
  struct Line {
    bool is_busy = false;
    std::optional<Said> waiting;
  };

  asio::awaitable<void> work(std::uint32_t rank) {
    while (const auto said = std::exchange(lines_.at(rank).waiting, std::nullopt)) {
      std::optional<Error> failed;
      try {
        const auto heard = co_await ends_.call(rank, *said);
        ends_.answered(rank, heard);
      } catch (...) {
        failed = error_of(std::current_exception());
      }
      if (tasks_.is_stopping()) co_return;
      if (failed) ends_.failed(rank, *failed);
    }
    lines_.at(rank).is_busy = false;
  }

  TaskGroup& tasks_;
  const std::string name_;
  const Ends ends_;
  std::vector<Line> lines_;
};

}  // namespace cardswap::gang
