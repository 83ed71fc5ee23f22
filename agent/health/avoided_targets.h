#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cardswap::health {

/// Remembers the targets that refused a job or lost its move, so that the job's next try asks
/// others first. It remembers them while the fault that moves the job is open. One thread.
class AvoidedTargets {
 public:
  static constexpr std::size_t kJobsMax = 1024;

  void add(const std::string& job_uid, std::uint64_t incident, std::string target) {
    if (by_job_.size() >= kJobsMax && !by_job_.contains(job_uid)) return;
    auto& job = by_job_[job_uid];
    job.incident = incident;
    job.targets.push_back(std::move(target));
  }
  [[nodiscard]] std::vector<std::string> of(const std::string& job_uid) const {
    const auto found = by_job_.find(job_uid);
    return found == by_job_.end() ? std::vector<std::string>() : found->second.targets;
  }
  void forget(const std::string& job_uid) { by_job_.erase(job_uid); }
  /// Forgets those of jobs and faults of which `is_needed(job_uid, incident)` says false.
  template <class IsNeeded>
  void keep_only(IsNeeded is_needed) {
    std::erase_if(by_job_,
                  [&](const auto& one) { return !is_needed(one.first, one.second.incident); });
  }
  [[nodiscard]] std::size_t jobs() const { return by_job_.size(); }

 private:
  /// What one job avoids, and because of which fault it moves.
  struct Job {
    std::uint64_t incident = 0;
    std::vector<std::string> targets;
  };
  std::map<std::string, Job> by_job_;
};

}  // namespace cardswap::health
