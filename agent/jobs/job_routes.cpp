#include "agent/jobs/job_routes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/validate.h"
#include "agent/jobs/instance_processes.h"
#include "agent/jobs/log_limit.h"
#include "agent/jobs/user_policy.h"
#include "agent/process/log_file.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap {

namespace json = boost::json;

namespace {

std::chrono::milliseconds grace_of(const ApiRequest& request) {
  constexpr double kGraceMaxMs = 3.6e6;
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(std::min(request.number_or("grace_ms", 10'000), kGraceMaxMs)));
}

struct Log {
  std::filesystem::path path;
  bool ended = false;
};

/// The log of the job of that name. Where there is no such job, the log of a standby that arrives,
/// or else of the latest one that failed.
Log log_of(JobList& jobs, const Config& config, const std::string& name) {
  if (const auto* job = jobs.find(name)) return {job->first().record().log_path, !job->is_live()};
  for (const auto& job : jobs.all()) {
    if (job.name() == name && job.standby) return {job.first().record().log_path, false};
  }
  if (validate::is_job_name(name)) {
    if (const auto logs = jobs.standby_logs().logs_of(name); !logs.empty())
      return {logs.front(), true};
  }
  throw Error(Code::not_found, fmt::format("there is no job '{}' on {}", name, config.host_name),
              "`cardswap jobs` lists the jobs of this host");
}

json::object piece_of(const Log& log, const ApiRequest& request) {
  const auto limit = std::clamp<std::int64_t>(request.query_or("limit", 65536), 1, 512 << 10);
  const Descriptor file(open_old_log(log.path, O_RDONLY));
  struct stat facts {};
  const auto size = file && ::fstat(file.get(), &facts) == 0 ? std::int64_t{facts.st_size} : 0;
  auto offset = request.query_or("offset", 0);
  if (offset < 0) offset = std::max<std::int64_t>(0, size + offset);
  const auto first = file ? first_byte_in(file.get(), size) : 0;
  offset = std::clamp(offset, first, size);
  std::string data(static_cast<std::size_t>(std::min(limit, size - offset)), '\0');
  const auto got = file ? ::pread(file.get(), data.data(), data.size(), offset) : 0;
  data.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return {{"data", as_utf8(data)}, {"offset", offset}, {"next", offset + std::ssize(data)},
          {"first", first},        {"size", size},     {"ended", log.ended}};
}

struct JobRoutesContext {
  Jobs& jobs;
  const Cordons& cordons;
  const Config& config;
};

/// The reference is valid until the next wait.
Job& job_at(const JobRoutesContext& context, const ApiRequest& request) {
  return context.jobs.table().job_named(request.path.at("name"));
}

asio::awaitable<ApiResponse> list(JobRoutesContext context, ApiRequest) {
  json::array list;
  for (const auto* instance : context.jobs.table().instances()) {
    if (!instance->job().superseded) list.push_back(context.jobs.shown(*instance));
  }
  co_return ApiResponse{200, json::object{{"jobs", list}}};
}

asio::awaitable<ApiResponse> start(JobRoutesContext context, ApiRequest request) {
  request.only({"name", "argv", "cwd", "env", "device", "restart", "user", "arrive", "resume_store",
                "hold_at"});
  auto spec = job_spec_from(request.body);
  const auto device = device_from(request.body);
  if (const auto cordon = context.cordons.find(context.jobs.devices().at(device).name)) {
    throw Error(Code::refused,
                fmt::format("job {}: {}", spec.name, to_string(*cordon, context.config.host_name)),
                fmt::format("use another device or host; `cardswap uncordon HOST{}` opens it again",
                            cordon->device.empty() ? "" : "/" + cordon->device));
  }
  check_may_run_as(context.config, spec.user, request.caller);
  const auto id = co_await context.jobs.start_primary(std::move(spec), device);
  const auto* started = context.jobs.table().by_instance(id);
  if (started == nullptr) throw Error(Code::not_found, "the job is gone");
  spdlog::info("job {} started as process {} on {}", started->name(), started->program().pid,
               device);
  co_return ApiResponse{201, to_json(*started)};
}

asio::awaitable<ApiResponse> show(JobRoutesContext context, ApiRequest request) {
  co_return ApiResponse{200, context.jobs.shown(job_at(context, request).first())};
}

asio::awaitable<ApiResponse> stop(JobRoutesContext context, ApiRequest request) {
  request.only({"grace_ms", "force"});
  for (const auto& one : context.jobs.table().all()) {
    if (one.name() != request.path.at("name") || !one.standby || !one.is_live()) continue;
    if (context.jobs.table().find(one.name()) == nullptr) context.jobs.check_stop(one);
  }
  const auto& job = job_at(context, request);
  const auto& shown = job.first();
  if (shown.state() == InstanceState::moved && left_of(context.jobs.table(), job.name()).empty()) {
    throw Error(Code::conflict,
                fmt::format("job {} moved to {}: ask there", job.name(), shown.record().moved_to),
                fmt::format("cardswap --agent {} stop {}",
                            shown.record().moved_to.substr(0, shown.record().moved_to.find('/')),
                            job.name()));
  }
  if (!request.flag_or("force", false)) context.jobs.check_stop(job);
  std::vector<std::string> instances;
  for (const auto& instance : job.instances) instances.push_back(instance.id());
  // Ranks that came here one by one are jobs of their own in the table, and one job to people.
  for (const auto& other : context.jobs.table().all()) {
    const bool is_of_it = other.name() == job.name() && &other != &job && other.world_size > 1;
    if (!is_of_it || other.standby || !other.is_live()) continue;
    for (const auto& instance : other.instances) instances.push_back(instance.id());
  }
  json::array processes;
  for (const auto& instance : instances) {
    const auto met = co_await context.jobs.processes().stop(instance, grace_of(request));
    for (const auto pid : met) processes.emplace_back(pid);
  }
  const auto* stopped = context.jobs.table().by_instance(instances.front());
  if (stopped == nullptr) throw Error(Code::not_found, "the job is gone");
  auto answer = context.jobs.shown(*stopped);
  answer["ended_processes"] = std::move(processes);
  co_return ApiResponse{200, std::move(answer)};
}

asio::awaitable<ApiResponse> forget(JobRoutesContext context, ApiRequest request) {
  const auto& job = job_at(context, request);
  const auto name = job.name();
  const auto state = to_string(job.first().state());
  if (job.is_live()) {
    throw Error(Code::conflict, fmt::format("job {} is {}", name, state), "stop it first");
  }
  if (const auto left = left_of(context.jobs.table(), name); !left.empty()) {
    throw Error(Code::conflict,
                fmt::format("job {} is {}, but processes of it live on: {}", name, state,
                            fmt::join(left, ", ")),
                "`cardswap stop " + name + "` ends them");
  }
  context.jobs.table().forget(name);
  co_return ApiResponse{200, json::object{}};
}

asio::awaitable<ApiResponse> logs(JobRoutesContext context, ApiRequest request) {
  const auto log = log_of(context.jobs.table(), context.config, request.path.at("name"));
  co_return ApiResponse{200, piece_of(log, request)};
}

}  // namespace

void add_job_routes(Router& router, Jobs& jobs, const Cordons& cordons, const Config& config) {
  const auto add = routes_on(router, JobRoutesContext{jobs, cordons, config});
  add("GET", "/v1/jobs", list);
  add("POST", "/v1/jobs", start);
  add("GET", "/v1/jobs/{name}", show);
  add("POST", "/v1/jobs/{name}/stop", stop);
  add("DELETE", "/v1/jobs/{name}", forget);
  add("GET", "/v1/jobs/{name}/logs", logs);
}

}  // namespace cardswap
