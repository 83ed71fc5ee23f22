#pragma once

#include <filesystem>
#include <list>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Keeps the latest logs of failed standbys in their jobs' folders, so that people can find out why
/// they failed. It removes no log of a known job, and nothing outside of jobs' folders. `jobs` and
/// the configuration outlive it. On the agent's loop.
class StandbyLogs {
 public:
  StandbyLogs(const Config& config, const std::list<Job>& jobs) : config_(config), jobs_(jobs) {}

  /// Returns those of jobs of that name that are still kept, the latest first.
  [[nodiscard]] std::vector<std::filesystem::path> of(const std::string& name) const;
  /// Removes all but the latest.
  void keep_few(const std::string& name) const;
  /// Removes the log of a standby whose reservation is forgotten, and its folder if nothing else is
  /// in it. False: the log belongs to a job that is still known, and stays.
  bool forget(const std::string& name, const std::string& migration) const;
  /// Removes `log`, of a job or a standby, in the same way.
  void remove(const std::filesystem::path& log) const;

 private:
  [[nodiscard]] bool is_in_use(const std::filesystem::path& log) const;

  const Config& config_;
  const std::list<Job>& jobs_;
};

}  // namespace cardswap
