#pragma once

#include <functional>
#include <string>

namespace cardswap {

/// An event of a job, a migration or this host that operators find later in `cardswap events`: a
/// lost job, a migration in doubt, two copies of one job.
struct AgentEvent {
  std::string kind;  ///< stable, snake_case: "job_lost", "in_doubt", "two_epochs"
  std::string text;  ///< what happened, to what, and what to do
  std::string job = {};
  std::string device = {};
  std::string migration = {};
};
using EmitEvent = std::function<void(const AgentEvent&)>;

}  // namespace cardswap
