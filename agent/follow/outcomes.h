#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/follow/outcome.h"
#include "agent/follow/outcome_client.h"
#include "agent/jobs/job_list.h"

namespace cardswap::follow {

/// Follows jobs and ranks that began on this host to wherever they are by now, and tells how they
/// ended. A rank that has moved is asked after at the agent to which it went, and so on from there;
/// where it was last found is on disk, so that the hosts in between may be gone. Owned by the
/// agent; one thread.
class Outcomes {
 public:
  using Until = std::chrono::steady_clock::time_point;

  /// Both references must outlive it.
  Outcomes(TaskGroup& tasks, const Config& config, JobList& jobs)
      : tasks_(tasks), config_(config), jobs_(jobs), client_(tasks) {}

  /// What became of the job of `instance`, or of that rank of it: returns once that differs from
  /// `seen`, at the latest at `until`. An agent that does not answer is told in Outcome::note. A
  /// record that is gone is EndState::unknown. Throws when the coroutine is cancelled.
  asio::awaitable<Outcome> news(std::string instance, std::optional<std::uint32_t> rank,
                                Outcome seen, Until until);
  /// Calls `tell` with each news() until the rank is over or `tell` returns false, which it may do
  /// for the same outcome once more.
  asio::awaitable<void> report(std::string instance, std::uint32_t rank,
                               std::function<bool(const Outcome&)> tell);
  /// Has the process of a job, or of that rank of it, get a signal where it is by now. Tries for
  /// 10 s. Throws Error{bad_request} for a signal that is not for jobs, Error{not_found}, and what
  /// OutcomeClient throws.
  asio::awaitable<void> deliver(std::string instance, std::optional<std::uint32_t> rank,
                                int signal);

  /// The instance here that `name` and `rank` mean: one from which the rank has left counts too.
  /// Throws Error{not_found}.
  [[nodiscard]] const Instance& instance_of(const std::string& name,
                                            std::optional<std::uint32_t> rank);

  // For agents of hosts from which a rank came
  asio::awaitable<LocalOutcome> news_here(RankName rank, Until until);
  LocalOutcome deliver_here(const RankName& rank, int signal);

 private:
  [[nodiscard]] LocalOutcome look(const Instance& instance,
                                  std::optional<std::uint32_t> rank) const;
  /// The latest instance that has arrived here as that rank. Null: there is none.
  [[nodiscard]] Instance* find_arrived(const RankName& rank);
  /// Throws Error{not_found} where find_arrived() finds none.
  [[nodiscard]] LocalOutcome look(const RankName& rank);
  void signal_program(Instance& instance, int signal);
  void note_place(const std::string& instance, std::uint32_t rank, const std::string& place);

  TaskGroup& tasks_;
  const Config& config_;
  JobList& jobs_;
  OutcomeClient client_;
};

/// Whether a launcher's signal may be sent on to a job. Pure.
[[nodiscard]] bool is_for_jobs(int signal);

}  // namespace cardswap::follow
