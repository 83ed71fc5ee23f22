#include "agent/jobs/standby_logs.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace cardswap {
namespace {

constexpr std::size_t kStandbyLogsKept = 3;

}  // namespace

void StandbyLogs::keep_few(const std::string& name) const {
  const auto logs = logs_of(name);
  for (std::size_t i = kStandbyLogsKept; i < logs.size(); ++i) {
    std::error_code absent;
    std::filesystem::remove(logs[i], absent);
  }
}

bool StandbyLogs::is_in_use(const std::filesystem::path& log) const {
  return std::ranges::any_of(jobs_, [&](const Job& job) {
    return std::ranges::any_of(job.instances, [&](const Instance& instance) {
      return instance.record().log_path == log.string();
    });
  });
}

bool StandbyLogs::forget(const std::string& name, const std::string& migration) const {
  const auto log = config_.job_dir(name) / ("log-" + migration);
  if (is_in_use(log)) return false;
  remove(log);
  return true;
}

void StandbyLogs::remove(const std::filesystem::path& log) const {
  if (is_in_use(log) || log.parent_path().parent_path() != config_.job_dir("x").parent_path()) {
    return;
  }
  std::error_code absent;
  std::filesystem::remove(log, absent);
  std::filesystem::remove(log.string() + ".exit", absent);
  const auto folder = log.parent_path();
  if (std::ranges::find(jobs_, folder.filename().string(), &Job::name) == jobs_.end()) {
    for (const auto* of_criu : {"criu-restore.log", "criu-dump.log", "cardswap-init.log",
                                "custodian.log", "keeper.log"}) {  // the last is an older release's
      std::filesystem::remove(folder / of_criu, absent);
    }
  }
  std::filesystem::remove(folder, absent);  // only when it is empty
}

std::vector<std::filesystem::path> StandbyLogs::logs_of(const std::string& name) const {
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> found;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(config_.job_dir(name), gone)) {
    const auto file = entry.path().filename().string();
    if (!file.starts_with("log-") || entry.path().has_extension() || is_in_use(entry.path())) {
      continue;
    }
    found.emplace_back(entry.last_write_time(gone), entry.path());
  }
  std::ranges::sort(found, std::greater());
  std::vector<std::filesystem::path> logs;
  for (auto& [at, path] : found) logs.push_back(std::move(path));
  return logs;
}

}  // namespace cardswap
