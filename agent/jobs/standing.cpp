#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/jobs/jobs.h"
#include "agent/process/process_tree.h"

namespace cardswap {

void Jobs::fence(Job& job, std::uint64_t newer_epoch) {
  job.newer_epoch = std::max(job.newer_epoch, newer_epoch);
  job.restart = "never";
  keep_fenced(job);
  save(job);
  changed_.notify();
}

void Jobs::keep_fenced(const Job& job) {
  signal_group(job.process, SIGSTOP);
  if (!is_alive(job.process)) return;
  for (const auto pid : tree_of(job.process)) ::kill(pid, SIGSTOP);
}

Standing Jobs::standing_of(const Job& job) const {
  auto result = hooks_.standing ? hooks_.standing(job) : Standing();
  if (result.state.empty()) result.state = job.state;
  return result;
}

boost::json::object Jobs::shown(const Job& job) const {
  auto result = to_json(job);
  const auto now = standing_of(job);
  result["state"] = now.state;
  if (!now.note.empty()) result["note"] = now.note;
  return result;
}

}  // namespace cardswap
