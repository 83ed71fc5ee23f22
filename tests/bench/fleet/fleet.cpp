#include "tests/bench/fleet/fleet.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/handover/target/admission.h"

namespace cardswap::bench {
namespace {

constexpr std::uint64_t kDeviceBytes = 80'000'000'000;
constexpr std::size_t kViolationsShown = 20;

}  // namespace

Fleet::Fleet(const FleetShape& shape) : shape_(shape) {
  hosts.resize(shape.hosts);
  for (std::size_t host = 0; host < shape.hosts; ++host) {
    hosts[host].address = fmt::format("h{:05}:7070", host);
    for (std::size_t index = 0; index < shape.devices; ++index) {
      PlacementDevice device;
      device.host = hosts[host].address;
      device.name = fmt::format("cuda:{}", index);
      device.kind = "cuda";
      device.total_bytes = device.free_bytes = kDeviceBytes;
      devices_.push_back(std::move(device));
    }
  }
  closed_.resize(devices_.size());
  on_.resize(devices_.size());
}

void Fleet::violation(std::string what) {
  ++violation_count_;
  if (violations_.size() < kViolationsShown) violations_.push_back(std::move(what));
}

std::vector<PlacementDevice> Fleet::seen(std::size_t host, std::size_t count) const {
  const auto first = devices_.begin() + static_cast<std::ptrdiff_t>(first_device(host));
  return {first, first + static_cast<std::ptrdiff_t>(count * shape_.devices)};
}

std::size_t Fleet::index_of(const PlacementDevice& device) const {
  const auto host = std::stoul(device.host.substr(1));
  return first_device(host) + std::stoul(device.name.substr(device.name.find(':') + 1));
}

PlacementJob Fleet::wanted(const FleetJob& job) const {
  const auto& at = devices_[job.device];
  PlacementJob wanted;
  wanted.name = job.name;
  wanted.host = at.host;
  wanted.device = at.name;
  wanted.kind = at.kind;
  wanted.state_bytes = job.bytes;
  return wanted;
}

std::vector<health::HostJob> Fleet::host_jobs(std::size_t host) const {
  std::vector<health::HostJob> list;
  for (std::size_t i = 0; i < shape_.devices; ++i) {
    const auto device = first_device(host) + i;
    for (const auto index : on_[device]) {
      const auto& job = jobs[index];
      list.push_back({job.name, job.uid, devices_[device].name, static_cast<int>(index + 1),
                      job.arrived, job.moving ? "a migration of it runs already" : ""});
    }
  }
  return list;
}

// ---- entries

void Fleet::take(std::size_t device, std::uint64_t bytes) {
  auto& entry = devices_[device];
  if (entry.free_bytes < bytes) {
    violation(fmt::format("{} holds more than it has", entry.address()));
    entry.free_bytes = 0;
  } else {
    entry.free_bytes -= bytes;
  }
  ++entry.jobs;
}

void Fleet::free(std::size_t device, std::uint64_t bytes) {
  devices_[device].free_bytes += bytes;
  --devices_[device].jobs;
}

std::size_t Fleet::start_job(std::size_t device, std::uint64_t bytes) {
  const auto index = jobs.size();
  FleetJob job;
  job.name = fmt::format("j{}", index);
  job.uid = fmt::format("u{}", index);
  job.device = device;
  job.bytes = bytes;
  take(device, bytes);
  on_[device].push_back(index);
  jobs.push_back(std::move(job));
  return index;
}

void Fleet::end_job(std::size_t index) {
  auto& job = jobs[index];
  job.live = false;
  std::erase(on_[job.device], index);
  free(job.device, job.bytes);
}

std::string Fleet::reserve(std::size_t index, std::size_t device) {
  const auto& job = jobs[index];
  const auto& there = devices_[device];
  AdmissionRequest request;
  request.job = job.name;
  request.device = there.name;
  request.state_bytes = job.bytes;
  request.host = there.host;
  if (there.cordoned) request.closed = there.address() + " is cordoned";
  DeviceUsage as_told;
  as_told.name = there.name;
  as_told.total_bytes = there.total_bytes;
  as_told.free_bytes = there.free_bytes;
  request.devices.push_back(std::move(as_told));
  const auto answer = admit(request);
  if (!answer.blocked_reasons.empty()) return answer.blocked_reasons.front();
  reserve_unasked(index, device);
  return {};
}

void Fleet::reserve_unasked(std::size_t index, std::size_t device) {
  const auto& job = jobs[index];
  if (!arriving_.emplace(index, device).second) violation(job.name + " moves to two places");
  take(device, job.bytes);
}

std::size_t Fleet::arriving_at(std::size_t host) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < shape_.devices; ++i) {
    const auto device = first_device(host) + i;
    count += devices_[device].jobs - on_[device].size();
  }
  return count;
}

void Fleet::arrive(std::size_t index, std::size_t device, Ms now) {
  auto& job = jobs[index];
  const auto found = arriving_.find(index);
  if (found == arriving_.end() || found->second != device || !job.live) {
    violation(job.name + " arrives where nobody waits for it");
    return;
  }
  arriving_.erase(found);
  std::erase(on_[job.device], index);
  free(job.device, job.bytes);
  on_[device].push_back(index);
  job.device = device;
  job.arrived = now;
}

void Fleet::give_back(std::size_t index, std::size_t device) {
  arriving_.erase(index);
  free(device, jobs[index].bytes);
}

void Fleet::cordon(std::size_t device, bool closed) {
  closed_[device] = closed;
  devices_[device].cordoned = closed || hosts[host_of(device)].drained;
}

void Fleet::cordon_host(std::size_t host, bool closed) {
  hosts[host].drained = closed;
  for (std::size_t i = 0; i < shape_.devices; ++i) {
    const auto device = first_device(host) + i;
    devices_[device].cordoned = closed || closed_[device];
  }
}

void Fleet::audit() {
  std::vector<std::uint64_t> held(devices_.size());
  std::vector<std::size_t> count(devices_.size());
  for (std::size_t index = 0; index < jobs.size(); ++index) {
    const auto& job = jobs[index];
    const auto& list = on_[job.device];
    const auto times = std::count(list.begin(), list.end(), index);
    if (times != (job.live ? 1 : 0)) {
      violation(fmt::format("{} is listed {} times where it is", job.name, times));
    }
    // A job may end while a place is held for it.
    if (const auto to = arriving_.find(index); to != arriving_.end()) {
      held[to->second] += job.bytes;
      ++count[to->second];
    }
    if (!job.live) continue;
    held[job.device] += job.bytes;
    ++count[job.device];
  }
  std::size_t listed = 0;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    const auto& device = devices_[i];
    listed += on_[i].size();
    if (held[i] > device.total_bytes || held[i] + device.free_bytes != device.total_bytes ||
        count[i] != device.jobs) {
      violation(fmt::format("{} holds {} bytes of {} and {} are free", device.address(), held[i],
                            device.total_bytes, device.free_bytes));
    }
  }
  const auto live =
      std::count_if(jobs.begin(), jobs.end(), [](const auto& job) { return job.live; });
  if (static_cast<std::ptrdiff_t>(listed) != live) {
    violation(fmt::format("{} jobs live and {} are somewhere", live, listed));
  }
}

}  // namespace cardswap::bench
