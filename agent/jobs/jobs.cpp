#include "agent/jobs/jobs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <filesystem>

#include "agent/jobs/instance_processes.h"
#include "agent/process/log_file.h"
#include "migrator/base/error.h"

namespace cardswap {

Jobs::Jobs(TaskGroup& tasks, const Config& config, Journal& journal, EventSink& events)
    : config_(config),
      table_(config, journal),
      ends_(tasks, table_, events),
      processes_(tasks, config, table_, devices_, ends_) {}

asio::awaitable<std::string> Jobs::start_primary(JobSpec spec, std::string device,
                                                 std::vector<std::string> stand_in) {
  if (stand_in.empty()) (void)devices_.at(device);
  if (auto* old = table_.find(spec.name)) {
    if (old->is_live()) {
      throw Error(Code::conflict,
                  fmt::format("job {} runs already on {}", spec.name, old->first().device()),
                  "choose another --name, or `cardswap stop " + spec.name + "` first");
    }
    if (const auto left = left_of(table_, spec.name); !left.empty()) {
      throw Error(Code::conflict,
                  fmt::format("job {} is {}, but processes of it live on: {}", spec.name,
                              to_string(old->first().state()), fmt::join(left, ", ")),
                  "`cardswap stop " + spec.name + "` ends them");
    }
    table_.forget(spec.name);
  }
  for (const auto& job : table_.all()) {
    if (job.name() != spec.name || !job.standby || !job.is_live()) continue;
    throw Error(Code::conflict,
                fmt::format("a job {} is on its way here (migration {})", spec.name, job.migration),
                "choose another --name, or wait for that migration");
  }
  make_job_folder(config_.job_dir(spec.name));
  std::error_code gone;
  std::filesystem::remove(config_.job_dir(spec.name) / "log", gone);
  auto instance = table_.add(spec, device).id();
  co_await processes_.start(instance, std::move(stand_in));
  co_return instance;
}

void Jobs::check_stop(const Job& job) const {
  for (const auto& instance : job.instances) ends_.ownership().check_stop(instance);
}

boost::json::object Jobs::shown(const Instance& instance) const {
  auto result = to_json(instance);
  const auto now = effective_state_of(instance);
  result["state"] = state_word(instance.state(), now.kind);
  if (!now.note.empty()) result["note"] = now.note;
  return result;
}

}  // namespace cardswap
