// What `cardswap drain` does in the simulation: everything but place() as agent/cli/drain/drain.cpp
// does it with agents.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tests/bench/fleet/simulation.h"

namespace cardswap::bench {
namespace {

constexpr std::size_t kParallel = 2;
constexpr std::size_t kTriesMax = 3;
constexpr Ms kLookAgain = 3'000;
constexpr Ms kDeadline = 1'800'000;
constexpr Ms kMaintenance = 600'000;

}  // namespace

void Simulation::drain(std::size_t host, std::size_t first, std::size_t count, bool row) {
  if (fleet_.hosts[host].drained) return;  // somebody drains it already
  ++counts_.drains;
  fleet_.cordon_host(host, true);
  DrainRun run;
  run.host = host;
  run.first = first;
  run.count = count;
  run.row = row;
  run.began = now_;
  drains_.push_back(std::move(run));
  drain_looks(drains_.size() - 1);
}

/// Who is there now: new ones came by moves that had begun before the cordon.
void Simulation::drain_refresh(DrainRun& run) {
  for (std::size_t i = 0; i < options_.shape.devices; ++i) {
    for (const auto job : fleet_.jobs_on(fleet_.first_device(run.host) + i)) {
      const auto known = std::find_if(run.jobs.begin(), run.jobs.end(),
                                      [&](const auto& entry) { return entry.job == job; });
      if (known == run.jobs.end()) run.jobs.push_back({job, {}, 0, {}, {}, {}});
    }
  }
  for (auto& entry : run.jobs) {
    if (!entry.result.empty() || entry.moving) continue;
    const auto& job = fleet_.jobs[entry.job];
    if (!job.live) {
      entry.result = "ended";
    } else if (fleet_.host_of(job.device) != run.host) {
      entry.result = "moved";  // by the host's own health monitor
    }
  }
}

/// What the agents tell, less what is promised to moves that they do not know of yet.
std::vector<PlacementDevice> Simulation::drain_targets(const DrainRun& run) const {
  auto devices = fleet_.seen(run.first, run.count);
  const auto begin = fleet_.first_device(run.first);
  for (const auto& entry : run.jobs) {
    if (!entry.moving || moving_[*entry.moving].reserved) continue;
    const auto& promised = moving_[*entry.moving];
    if (promised.to < begin || promised.to - begin >= devices.size()) continue;
    auto& device = devices[promised.to - begin];
    device.free_bytes -= std::min(device.free_bytes, fleet_.jobs[entry.job].bytes);
    ++device.jobs;
  }
  return devices;
}

void Simulation::drain_starts(std::size_t index) {
  auto& run = drains_[index];
  const auto in_flight = static_cast<std::size_t>(
      std::count_if(run.jobs.begin(), run.jobs.end(),
                    [](const auto& entry) { return entry.moving.has_value(); }));
  if (in_flight > kParallel) fleet_.violation("a drain moves more at once than it was told");
  if (in_flight >= kParallel) return;
  std::vector<std::size_t> waiting;
  std::vector<PlacementJob> jobs;
  for (std::size_t i = 0; i < run.jobs.size(); ++i) {
    const auto& entry = run.jobs[i];
    if (!entry.result.empty() || entry.moving || fleet_.jobs[entry.job].moving) continue;
    waiting.push_back(i);
    jobs.push_back(fleet_.wanted(fleet_.jobs[entry.job]));
    jobs.back().avoid = entry.avoid;
  }
  if (jobs.empty()) return;
  const auto began = std::chrono::steady_clock::now();
  const auto devices = drain_targets(run);
  const std::vector<std::string> leaving{fleet_.hosts[run.host].address};
  const auto placement = place(jobs, devices, leaving);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  if (run.row) counts_.row_plan_ms.push_back(took.count());
  if (placement.assigned.size() + placement.unplaced.size() != jobs.size()) {
    fleet_.violation("a job is neither placed nor told");
  }
  auto free = kParallel - in_flight;
  for (const auto& assigned : placement.assigned) {
    if (free == 0) break;
    const auto& device = devices[assigned.device];
    if (device.cordoned || device.host == leaving.front()) {
      fleet_.violation(jobs[assigned.job].name + " is placed where nobody may go");
    }
    auto& entry = run.jobs[waiting[assigned.job]];
    ++entry.tries;
    Moving moving;
    moving.job = entry.job;
    moving.to = fleet_.index_of(device);
    moving.drain = index;
    entry.moving = begin(std::move(moving));
    if (entry.moving) --free;
  }
  if (in_flight > 0 || !placement.assigned.empty()) return;
  for (const auto& unplaced : placement.unplaced) {
    auto& entry = run.jobs[waiting[unplaced.job]];
    entry.result = entry.tries > 0 ? "failed" : "stays";
    entry.note = options_.without == "report" ? std::string() : to_string(unplaced.reasons);
  }
}

void Simulation::drain_job_ended(std::size_t index, const Moving& moving, bool moved,
                                 const std::string& why) {
  auto& run = drains_[index];
  for (auto& entry : run.jobs) {
    if (entry.job != moving.job || !entry.moving) continue;
    entry.moving.reset();
    if (moved) {
      entry.result = "moved";
    } else if (!fleet_.jobs[entry.job].live) {
      entry.result = "ended";
    } else if (entry.tries >= kTriesMax) {
      entry.result = "failed";
      entry.note = why;
    } else {
      entry.avoid.push_back(fleet_.device(moving.to).address());
    }
  }
  run.looks_at = now_ + 1;
  at(run.looks_at, What::drain_looks, index);
}

void Simulation::drain_looks(std::size_t index) {
  {
    auto& run = drains_[index];
    if (run.over) return;
    drain_refresh(run);
    if (now_ >= run.began + kDeadline) {
      for (auto& entry : run.jobs) {
        if (entry.result.empty() && !entry.moving) {
          entry.result = "not-started";
          entry.note = "by the deadline";
        }
      }
    }
  }
  drain_starts(index);
  auto& run = drains_[index];
  const bool busy = std::any_of(run.jobs.begin(), run.jobs.end(), [](const auto& entry) {
    return entry.moving.has_value() || entry.result.empty();
  });
  if (busy || fleet_.arriving_at(run.host) > 0) {
    run.looks_at = now_ + kLookAgain;
    at(run.looks_at, What::drain_looks, index);
    return;
  }
  drain_over(run);
}

/// Every job of the host is gone, or is told with its reason.
void Simulation::drain_over(DrainRun& run) {
  run.over = true;
  at(now_ + kMaintenance, What::host_back, run.host);
  for (const auto& entry : run.jobs) {
    ++counts_.drained_jobs;
    counts_.drained_moved += entry.result == "moved" ? 1 : 0;
    const auto& job = fleet_.jobs[entry.job];
    const bool here = job.live && fleet_.host_of(job.device) == run.host;
    const bool gone = entry.result == "moved" || entry.result == "ended";
    // What stayed may have left since: health moves too.
    if ((gone && here) || (!gone && entry.note.empty())) {
      fleet_.violation(fmt::format("{}: {} is told as '{}' ({})", fleet_.hosts[run.host].address,
                                   job.name, entry.result, entry.note));
    }
  }
  for (std::size_t i = 0; i < options_.shape.devices; ++i) {
    for (const auto job : fleet_.jobs_on(fleet_.first_device(run.host) + i)) {
      if (std::none_of(run.jobs.begin(), run.jobs.end(),
                       [&](const auto& entry) { return entry.job == job; })) {
        fleet_.violation(fleet_.jobs[job].name + " was left behind and not told");
      }
    }
  }
}

}  // namespace cardswap::bench
