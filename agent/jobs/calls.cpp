#include "agent/jobs/calls.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "agent/jobs/user_policy.h"
#include "migrator/error.h"
#include "migrator/utf8.h"

namespace cardswap {

namespace json = boost::json;

void add_job_calls(Router& router, Jobs& jobs, const Cordons& cordons, const Config& config) {
  router.on("GET", "/v1/jobs", [&](ApiRequest) -> asio::awaitable<ApiAnswer> {
    json::array list;
    for (const auto& job : jobs.all()) {
      if (!job.superseded) list.push_back(jobs.shown(job));
    }
    co_return ApiAnswer{200, json::object{{"jobs", list}}};
  });
  router.on("POST", "/v1/jobs", [&](ApiRequest request) -> asio::awaitable<ApiAnswer> {
    request.only({"name", "argv", "cwd", "env", "device", "restart", "user", "arrive"});
    auto spec = job_spec_from(request.body);
    if (const auto cordon = cordons.of(jobs.device(spec.device).name)) {
      throw Error(
          Code::refused, fmt::format("job {}: {}", spec.name, to_string(*cordon, config.host_name)),
          fmt::format("use another device or host; `cardswap uncordon HOST{}` opens it again",
                      cordon->device.empty() ? "" : "/" + cordon->device));
    }
    check_may_run_as(config, spec.user, request.caller);
    auto& job = jobs.start_primary(spec);
    spdlog::info("job {} started as process {} on {}", job.name, job.process.pid, job.device);
    co_return ApiAnswer{201, to_json(job)};
  });
  const auto job_at = [&jobs, &config](const ApiRequest& request) -> Job& {
    const auto& name = request.path.at("name");
    if (auto* job = jobs.find(name)) return *job;
    throw Error(Code::not_found, fmt::format("there is no job '{}' on {}", name, config.host_name),
                "`cardswap jobs` lists the jobs of this host");
  };
  router.on("GET", "/v1/jobs/{name}",
            [&jobs, job_at](ApiRequest request) -> asio::awaitable<ApiAnswer> {
              co_return ApiAnswer{200, jobs.shown(job_at(request))};
            });
  router.on("POST", "/v1/jobs/{name}/stop",
            [&jobs, job_at](ApiRequest request) -> asio::awaitable<ApiAnswer> {
              request.only({"grace_ms", "force"});
              const auto& asked = job_at(request);
              if (!request.flag_or("force", false) && jobs.check_stop) jobs.check_stop(asked);
              const auto instance = asked.instance;
              co_await jobs.stop(instance,
                                 std::chrono::milliseconds(static_cast<std::int64_t>(
                                     std::min(request.number_or("grace_ms", 10'000), 3.6e6))));
              auto* job = jobs.by_instance(instance);
              if (job == nullptr) throw Error(Code::not_found, "the job is gone");
              co_return ApiAnswer{200, to_json(*job)};
            });
  router.on("DELETE", "/v1/jobs/{name}",
            [&jobs, job_at](ApiRequest request) -> asio::awaitable<ApiAnswer> {
              auto& job = job_at(request);
              if (job.live()) {
                throw Error(Code::conflict, fmt::format("job {} is {}", job.name, job.state),
                            "stop it first");
              }
              const auto name = job.name;
              jobs.forget(name);
              co_return ApiAnswer{200, json::object{}};
            });
  router.on(
      "GET", "/v1/jobs/{name}/logs", [job_at](ApiRequest request) -> asio::awaitable<ApiAnswer> {
        const auto& job = job_at(request);
        const auto limit = std::clamp<std::int64_t>(request.query_or("limit", 65536), 1, 512 << 10);
        std::ifstream file(job.log_path, std::ios::binary | std::ios::ate);
        const auto size = file ? static_cast<std::int64_t>(file.tellg()) : 0;
        auto offset = request.query_or("offset", 0);
        if (offset < 0) offset = std::max<std::int64_t>(0, size + offset);
        offset = std::min(offset, size);
        std::string data(static_cast<std::size_t>(std::min(limit, size - offset)), '\0');
        file.seekg(offset);
        file.read(data.data(), static_cast<std::streamsize>(data.size()));
        co_return ApiAnswer{200, json::object{{"data", as_utf8(data)},
                                              {"offset", offset},
                                              {"next", offset + std::ssize(data)},
                                              {"size", size},
                                              {"ended", !job.live()}}};
      });
}

}  // namespace cardswap
