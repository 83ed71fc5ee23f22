#pragma once

#include <filesystem>
#include <list>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Keeps the latest logs of failed standbys in their jobs' folders, so that people can find out why
/// they failed. It never removes a log of a known job, nor anything outside of jobs' folders.
/// Throws nothing: files that cannot be removed stay. `jobs` and `config` must outlive it. The
/// agent's thread.
class StandbyLogs {
 public:
  StandbyLogs(const Config& config, const std::list<Job>& jobs) : config_(config), jobs_(jobs) {}

  /// The kept logs of failed standbys of the job `name`, the latest first.
  [[nodiscard]] std::vector<std::filesystem::path> logs_of(const std::string& name) const;
  /// Removes all of them except the latest three.
  void keep_few(const std::string& name) const;
  /// Removes the log of the standby of `migration`, and the job's folder if it is empty then.
  /// False: the log belongs to a job that is still known, and stays.
  bool forget(const std::string& name, const std::string& migration) const;
  /// Removes `log`, of a job or a standby, as forget() does.
  void remove(const std::filesystem::path& log) const;

 private:
  [[nodiscard]] bool is_in_use(const std::filesystem::path& log) const;

  const Config& config_;
  const std::list<Job>& jobs_;
};

}  // namespace cardswap
