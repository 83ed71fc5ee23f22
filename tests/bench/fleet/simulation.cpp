#include "tests/bench/fleet/simulation.h"

#include <fmt/format.h>

#include <algorithm>

namespace cardswap::bench {
namespace {

constexpr std::size_t kPodHosts = 64;    ///< that a drain may move to
constexpr std::size_t kRowHosts = 1250;  ///< 10,000 devices where a host has 8
constexpr Ms kReachesAfter = 5;
constexpr Ms kMoveTakes = 30'000;

}  // namespace

Simulation::Simulation(SimulationOptions options)
    : options_(std::move(options)), fleet_(options_.shape), random_(options_.shape.seed) {
  until_ = now_ + options_.length;
  for (std::size_t host = 0; host < fleet_.hosts.size(); ++host) engine_for(host);
  fill();
}

void Simulation::at(Ms time, What what, std::size_t a, std::size_t b) {
  queue_.push({time, next_number_++, what, a, b});
}

std::uint64_t Simulation::some_bytes() { return 1'000'000'000 * (2 + below(48)); }

void Simulation::run() {
  at(now_ + 1, What::finding);
  at(now_ + 60'000, What::storm);
  at(now_ + 1, What::drain);
  at(now_ + 120'000, What::row_drain);
  at(now_ + 1, What::restart);
  at(now_ + 1, What::job_ends);
  Ms audited = now_;
  while (!queue_.empty()) {
    const auto event = queue_.top();
    queue_.pop();
    now_ = event.at;
    ++counts_.events;
    handle(event);
    if (now_ - audited > 600'000) {
      fleet_.audit();
      audited = now_;
    }
  }
  fleet_.audit();
  // Time went on until the last move and drain had ended.
  for (const auto& run : drains_) {
    if (!run.over) fleet_.violation(fleet_.hosts[run.host].address + ": its drain never ended");
  }
  for (const auto& moving : moving_) {
    if (!moving.over) fleet_.violation(fleet_.jobs[moving.job].name + ": its move never ended");
  }
}

void Simulation::handle(const Event& event) {
  const bool goes_on = now_ < until_;  // what comes from outside stops at the end
  const auto again = [&](Ms mean) {
    if (goes_on) at(now_ + about(mean), event.what);
  };
  switch (event.what) {
    case What::finding: some_finding(); return again(options_.finding_every);
    case What::storm: storm(); return again(options_.storm_every);
    case What::alert: return alert(event.a, event.b, true);
    case What::alert_over: return alert(event.a, event.b, false);
    case What::plan:
      if (fleet_.hosts[event.a].plans_at == event.at) plan(event.a);
      return;
    case What::choose: return choose(event.a, event.b);
    case What::reach: return reach(event.a);
    case What::end: return end(event.a);
    case What::drain: {
      const auto host = below(fleet_.hosts.size());
      const auto pod = std::min(kPodHosts, fleet_.hosts.size());
      drain(host, std::min(host / pod * pod, fleet_.hosts.size() - pod), pod, false);
      return again(options_.drain_every);
    }
    case What::row_drain: {
      const auto row = std::min(kRowHosts, fleet_.hosts.size());
      const auto first =
          std::min(below(fleet_.hosts.size()) / row * row, fleet_.hosts.size() - row);
      for (std::size_t i = 0; i < std::min(options_.row_drain_hosts, row); ++i) {
        drain(first + below(row), first, row, true);
      }
      return again(options_.row_drain_every);
    }
    case What::drain_looks:
      if (drains_[event.a].looks_at == event.at) drain_looks(event.a);
      return;
    case What::host_back: fleet_.cordon_host(event.a, false); return;
    case What::repaired: return repaired(event.a);
    case What::restart: restart(below(fleet_.hosts.size())); return again(options_.restart_every);
    case What::victim_ends:
      if (fleet_.jobs[event.a].live) fleet_.end_job(event.a);
      return;
    case What::job_ends: end_a_job(); return again(options_.job_ends_every);
  }
}

// ---- jobs

void Simulation::fill() {
  const auto devices = options_.shape.hosts * options_.shape.devices;
  const auto wanted =
      static_cast<std::size_t>(options_.jobs_per_device * static_cast<double>(devices));
  fleet_.jobs.reserve(2 * wanted);
  for (std::size_t i = 0; i < wanted; ++i) start_a_job();
}

void Simulation::start_a_job() {
  const auto devices = options_.shape.hosts * options_.shape.devices;
  const auto bytes = some_bytes();
  for (int tries = 0; tries < 8; ++tries) {
    const auto index = below(devices);
    const auto& device = fleet_.device(index);
    if (device.cordoned || device.free_bytes < bytes || device.jobs > 2) continue;
    fleet_.start_job(index, bytes);
    return;
  }
}

void Simulation::end_a_job() {
  const auto index = below(fleet_.jobs.size());
  if (fleet_.jobs[index].live) fleet_.end_job(index);
  start_a_job();
}

// ---- moves

/// As POST /v1/migrations: nothing where the job is gone or moves already.
std::optional<std::size_t> Simulation::begin(Moving moving) {
  auto& job = fleet_.jobs[moving.job];
  if (!job.live || job.moving) return std::nullopt;
  job.moving = true;
  moving.host = fleet_.host_of(job.device);
  const auto index = moving_.size();
  moving_.push_back(std::move(moving));
  at(now_ + about(kReachesAfter), What::reach, index);
  return index;
}

void Simulation::reach(std::size_t index) {
  auto& moving = moving_[index];
  if (!fleet_.jobs[moving.job].live) return settled(index, false, "it ended");
  auto refused =
      options_.without == "admission" ? std::string() : fleet_.reserve(moving.job, moving.to);
  if (options_.without == "admission") fleet_.reserve_unasked(moving.job, moving.to);
  if (!refused.empty()) {
    ++counts_.moves_refused;
    return settled(index, false, refused);
  }
  moving.reserved = true;
  at(now_ + about(kMoveTakes), What::end, index);
}

void Simulation::end(std::size_t index) {
  auto& moving = moving_[index];
  const auto& job = fleet_.jobs[moving.job];
  const auto& source = fleet_.hosts[fleet_.host_of(job.device)];
  if (!job.live || source.untrusted.contains(job.device) || chance(options_.failed_moves)) {
    fleet_.give_back(moving.job, moving.to);
    ++counts_.moves_failed;
    return settled(index, false, job.live ? "the link was lost" : "it ended");
  }
  fleet_.arrive(moving.job, moving.to, now_);
  ++counts_.moves;
  settled(index, true, {});
}

void Simulation::settled(std::size_t index, bool moved, const std::string& why) {
  auto& moving = moving_[index];
  moving.over = true;
  fleet_.jobs[moving.job].moving = false;
  if (moving.health) {
    auto& host = fleet_.hosts[moving.host];
    auto& avoid = host.avoid[moving.health->job_uid];
    if (moved) {
      host.avoid.erase(moving.health->job_uid);
    } else {
      avoid.push_back(fleet_.device(moving.to).address());
    }
    health_ended(moving.host, *moving.health, moved);
  }
  if (moving.drain) drain_job_ended(*moving.drain, moving, moved, why);
}

}  // namespace cardswap::bench
