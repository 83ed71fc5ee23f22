#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/jobs/jobs.h"
#include "agent/process/process_tree.h"

namespace cardswap {

void Jobs::fence(Job& job, std::uint64_t newer_epoch) {
  job.newer_epoch = std::max(job.newer_epoch, newer_epoch);
  job.spec.restart = RestartRule::never;
  reapply_fence(job);
  save(job);
  changed_.notify();
}

void Jobs::reapply_fence(const Job& job) {
  for (const auto& instance : job.instances) {
    signal_group(instance.process, SIGSTOP);
    if (!is_alive(instance.process)) continue;
    for (const auto pid : tree_of(instance.process)) ::kill(pid, SIGSTOP);
  }
}

boost::json::object Jobs::shown(const Instance& instance) const {
  auto result = to_json(instance);
  const auto now = effective_state_of(instance);
  result["state"] = state_word(instance.state, now.kind);
  if (!now.note.empty()) result["note"] = now.note;
  return result;
}

}  // namespace cardswap
