#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cardswap::health {

/// Remembers the targets of a job whose migrations there failed, so that its next try takes another
/// one. They are remembered while the fault that moves the job is open. One thread.
class AvoidedTargets {
 public:
  static constexpr std::size_t kJobsMax = 1024;

  /// Remembers `target` ("HOST:PORT/DEVICE"). Does nothing for a further job when kJobsMax are
  /// remembered.
  void add(const std::string& job_uid, std::uint64_t incident, std::string target) {
    if (by_job_.size() >= kJobsMax && !by_job_.contains(job_uid)) return;
    auto& job = by_job_[job_uid];
    job.incident = incident;
    job.targets.push_back(std::move(target));
  }
  /// The targets that the job avoids, oldest first.
  [[nodiscard]] std::vector<std::string> targets_of(const std::string& job_uid) const {
    const auto found = by_job_.find(job_uid);
    return found == by_job_.end() ? std::vector<std::string>() : found->second.targets;
  }
  void forget(const std::string& job_uid) { by_job_.erase(job_uid); }
  /// Forgets the jobs for which `is_needed(job_uid, incident)` is false.
  template <class IsNeeded>
  void keep_only(IsNeeded is_needed) {
    std::erase_if(by_job_,
                  [&](const auto& one) { return !is_needed(one.first, one.second.incident); });
  }
  [[nodiscard]] std::size_t jobs() const { return by_job_.size(); }

 private:
  /// The targets that one job avoids, and the id of the incident that moves it.
  struct Job {
    std::uint64_t incident = 0;
    std::vector<std::string> targets;
  };
  std::map<std::string, Job> by_job_;
};

}  // namespace cardswap::health
