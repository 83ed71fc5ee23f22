#include "agent/jobs/job_steps.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// One write each: the journal's disk is also what migrations wait for.
constexpr std::chrono::seconds kStepEvery{3};

}  // namespace

asio::awaitable<void> save_steps(JobList& table, const JobEnds& ends) {
  std::string last;
  while (true) {
    co_await pause_for(kStepEvery);
    const auto all = table.instances();
    // Not during a downtime. A job in no migration that says it is frozen does not count, because a
    // program may say so for ever; nor does a job in doubt, which may be frozen for days.
    const auto is_frozen = [&ends](const Instance* instance) {
      return instance->frozen && !instance->job().migration.empty() &&
             ends.ownership().effective_state_of(*instance).kind != EffectiveState::Kind::in_doubt;
    };
    if (std::ranges::any_of(all, is_frozen)) continue;
    // The one after the last, so that each has its turn.
    const auto changed = [](const Instance* instance) {
      return instance->is_live() && !instance->job().standby &&
             instance->record().step != instance->saved_step;
    };
    auto next =
        std::ranges::find(all, last, [](const Instance* instance) { return instance->id(); });
    if (next != all.end()) next = std::find_if(std::next(next), all.end(), changed);
    if (next == all.end()) next = std::ranges::find_if(all, changed);
    if (next == all.end()) continue;
    last = (*next)->id();
    auto& job = (*next)->job();
    try {
      table.save(job);
      for (auto& instance : job.instances) instance.saved_step = instance.record().step;
    } catch (const Error&) {
      // A full disk is told by those who need it.
    }
  }
}

}  // namespace cardswap
