#include "agent/placement/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>

#include "agent/base/units.h"

namespace cardswap {
namespace {

constexpr std::size_t kExamplesMax = 3;

/// A device that may take jobs, as small as the scan over all of them wants it.
struct Candidate {
  std::size_t device = 0;
  std::size_t host = 0;
  std::uint64_t free_bytes = 0;
  std::size_t jobs = 0;
};

/// What is known of every device before the first job is placed.
class Fleet {
 public:
  Fleet(std::span<const PlacementDevice> devices, std::span<const std::string> leaving)
      : devices_(devices), leaving_(leaving.begin(), leaving.end()), order_(devices.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return std::tie(devices[a].host, devices[a].name, a) <
             std::tie(devices[b].host, devices[b].name, b);
    });
    std::map<std::string, std::size_t> hosts;
    for (const auto index : order_) {
      const auto& device = devices[index];
      const auto host = hosts.emplace(device.host, hosts.size()).first->second;
      host_jobs_.resize(hosts.size());
      host_jobs_[host] += device.jobs;
      if (closed(device)) continue;
      by_kind_[device.kind].push_back({index, host, device.free_bytes, device.jobs});
    }
  }

  std::optional<std::size_t> take(const PlacementJob& job) {
    const auto kind = by_kind_.find(job.kind);
    if (kind == by_kind_.end()) return std::nullopt;
    Candidate* best = nullptr;
    for (auto& candidate : kind->second) {
      if (candidate.free_bytes < job.state_bytes) continue;
      if (best != nullptr && !better(candidate, *best)) continue;
      if (own(job, devices_[candidate.device]) || avoided(job, devices_[candidate.device])) {
        continue;
      }
      best = &candidate;
    }
    if (best == nullptr) return std::nullopt;
    best->free_bytes -= job.state_bytes;
    ++best->jobs;
    ++host_jobs_[best->host];
    return best->device;
  }

  /// Why take() found nothing, one reason a device, alike ones together.
  [[nodiscard]] std::vector<PlacementReason> reasons(const PlacementJob& job) const {
    if (devices_.empty()) return {{"there is no other device", 0, {}}};
    std::vector<PlacementReason> found(6);
    const auto add = [&](std::size_t which, std::size_t index) {
      ++found[which].devices;
      if (found[which].on.size() < kExamplesMax) {
        found[which].on.push_back(devices_[index].address());
      }
    };
    for (const auto index : order_) {
      const auto& device = devices_[index];
      // The first that is true: no uncordon helps where the kind is another.
      if (own(job, device) || leaving_.contains(device.host)) {
        add(0, index);
      } else if (device.kind != job.kind) {
        add(1, index);
      } else if (device.cordoned) {
        add(2, index);
      } else if (device.unhealthy) {
        add(3, index);
      } else if (avoided(job, device)) {
        add(4, index);
      }
    }
    std::uint64_t most = 0;
    if (const auto kind = by_kind_.find(job.kind); kind != by_kind_.end()) {
      for (const auto& candidate : kind->second) {
        const auto& device = devices_[candidate.device];
        if (own(job, device) || avoided(job, device)) continue;
        add(5, candidate.device);
        most = std::max(most, candidate.free_bytes);
      }
    }
    found[0].text = "where it leaves";
    found[1].text = fmt::format("not of kind {}", job.kind);
    found[2].text = "cordoned";
    found[3].text = "unhealthy";
    found[4].text = "refused it or failed";
    found[5].text = fmt::format("{}{} left, {} needed", found[5].devices > 1 ? "at most " : "",
                                format_size(most), format_size(job.state_bytes));
    std::erase_if(found, [](const PlacementReason& reason) { return reason.devices == 0; });
    // That the job cannot stay is no news where there is another reason.
    if (found.size() > 1 && found[0].text == "where it leaves") found.erase(found.begin());
    return found;
  }

 private:
  [[nodiscard]] bool closed(const PlacementDevice& device) const {
    return device.cordoned || device.unhealthy || leaving_.contains(device.host);
  }
  [[nodiscard]] bool better(const Candidate& a, const Candidate& b) const {
    if (a.jobs != b.jobs) return a.jobs < b.jobs;
    if (host_jobs_[a.host] != host_jobs_[b.host]) return host_jobs_[a.host] < host_jobs_[b.host];
    return a.free_bytes > b.free_bytes;  // then by name, which is the order of the scan
  }
  static bool own(const PlacementJob& job, const PlacementDevice& device) {
    return device.name == job.device && device.host == job.host;
  }
  static bool avoided(const PlacementJob& job, const PlacementDevice& device) {
    return !job.avoid.empty() &&
           std::find(job.avoid.begin(), job.avoid.end(), device.address()) != job.avoid.end();
  }

  std::span<const PlacementDevice> devices_;
  std::set<std::string, std::less<>> leaving_;
  std::vector<std::size_t> order_;  ///< of the devices, by host and name
  std::vector<std::size_t> host_jobs_;
  std::map<std::string, std::vector<Candidate>> by_kind_;
};

}  // namespace

Placement place(std::span<const PlacementJob> jobs, std::span<const PlacementDevice> devices,
                std::span<const std::string> leaving) {
  std::vector<std::size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(jobs[b].state_bytes, jobs[a].host, jobs[a].name, a) <
           std::tie(jobs[a].state_bytes, jobs[b].host, jobs[b].name, b);
  });
  Fleet fleet(devices, leaving);
  Placement result;
  for (const auto index : order) {
    const auto& job = jobs[index];
    if (!job.movable) {
      result.unplaced.push_back({index, {{job.immovable_reason, 0, {}}}});
    } else if (const auto device = fleet.take(job)) {
      result.assigned.push_back({index, *device});
    } else {
      result.unplaced.push_back({index, fleet.reasons(job)});
    }
  }
  return result;
}

std::string to_string(std::span<const PlacementReason> reasons) {
  std::string result;
  for (const auto& reason : reasons) {
    if (!result.empty()) result += "; ";
    result += reason.text;
    if (reason.on.empty()) continue;
    const auto rest = reason.devices - std::min(reason.devices, reason.on.size());
    result += fmt::format(" ({}{})", fmt::join(reason.on, ", "),
                          rest == 0 ? "" : fmt::format(" and {} more", rest));
  }
  return result;
}

}  // namespace cardswap
