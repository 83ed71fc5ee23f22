#include "agent/agent.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "agent/base/units.h"
#include "agent/fleet/calls.h"
#include "agent/fleet/metrics.h"
#include "agent/handover/epochs.h"
#include "agent/handover/incoming.h"
#include "agent/handover/peer_calls.h"
#include "agent/handover/standing.h"
#include "agent/health/calls.h"
#include "agent/health/metrics.h"
#include "agent/jobs/calls.h"
#include "agent/jobs/device_facts.h"
#include "agent/jobs/log_limit.h"
#include "agent/security/identity.h"
#include "migrator/core/error.h"
#include "migrator/core/utf8.h"

namespace cardswap {

namespace json = boost::json;

Agent::Agent(asio::io_context& context, Config config)
    : context_(context),
      config_(std::move(config)),
      tasks_(context),
      journal_(config_.data_dir / "journal.db"),
      cordons_(journal_),
      jobs_(context, tasks_, config_, journal_),
      hub_(context, tasks_, jobs_, runtime_events()),
      migrations_(context, tasks_, config_, journal_, jobs_, hub_, criu_),
      reservations_(context, tasks_, config_, journal_, jobs_, hub_, criu_),
      health_(context, tasks_, config_, jobs_, migrations_, health_hooks()),
      server_(context, tasks_, router_, ApiSecurity::load(config_)) {
  if (config_.tls.any()) tls::Identity::use(context, tls::client_context(config_.tls));
  jobs_.on_exit = [this](Job& job) {
    migrations_.on_exit(job);
    reservations_.on_exit(job);
  };
  migrations_.standstill =
      reservations_.standstill = [this](const std::string& migration, bool stands_still) {
        server_.standstill().note(migration, stands_still);
      };
  jobs_.tell = migrations_.tell =
      reservations_.tell = [this](const AgentEvent& event) { health_.note(event); };
  migrations_.forgetting = [this](const Migration& m) { metrics_.note_forgotten(m); };
  reservations_.closed = [this](const std::string& device) {
    const auto cordon = cordons_.of(device);
    return cordon ? to_string(*cordon, config_.host_name) : std::string();
  };
  reservations_.known_epoch = [this](const std::string& uid) {
    return handover::known_epoch(uid, jobs_, migrations_, reservations_);
  };
  reservations_.moves_within = [this](const ReservationRequest& asked, const Job& job,
                                      const Caller& caller) {
    return migrations_.moves_within(asked, job, caller);
  };
  reservations_.leaves = [this](const std::string& id) { return migrations_.has(id); };
  jobs_.standing = [this](const Job& job) { return standing_of(job, migrations_, reservations_); };
  jobs_.check_stop = [this](const Job& job) { cardswap::check_stop(job, migrations_); };
  jobs_.may_restart = [this](const Job& job) { return reservations_.may_restart(job); };
  add_fleet_calls(router_, cordons_, jobs_, config_, [this](const std::string& device) {
    return health_.engine().standing_fault(device);
  });
  add_host_calls();
  add_job_calls(router_, jobs_, cordons_, config_);
  state_lists_.add_calls(router_, config_.host_name);
  add_migration_calls();
  add_peer_calls(router_, migrations_, reservations_, criu_, data_plane_);
  health::add_health_calls(router_, health_);
}

void Agent::start() {
  if (config_.has_port()) {
    server_.listen_tcp(config_.listen_host, config_.listen_port);
    config_.listen_port = server_.tcp_port();
  }
  reservations_.recover();
  const auto jobs = jobs_.recover([this](const Job& job) { return reservations_.keeps(job); });
  reservations_.take_up();
  hub_.listen(config_.runtime_socket());
  migrations_.recover();
  for (const auto& warning : journal_.warnings()) {
    spdlog::error("{}", warning);
    health_.note({.kind = "journal_damaged", .text = warning});
  }
  tell_taken_up(jobs);
  health_.start();
  tasks_.spawn("look for CRIU", criu_.look());
  tasks_.spawn("try the data plane", data_plane_.look());
  tasks_.spawn("bound logs", bound_logs(jobs_, config_.job_log_max));
  server_.listen_unix(config_.socket);
  tls::log_ends(server_.endings());
  metrics_.set_recovered();
  write_agent_file();
  spdlog::info("{} listens on {} and {}", config_.host_name, config_.socket.string(),
               config_.has_port() ? config_.listen_address().text() : "no TCP port");
}

/// What an operator wants to know after an upgrade or a reboot.
void Agent::tell_taken_up(const Jobs::Recovered& jobs) {
  const auto given_up =
      std::ranges::count(migrations_.all(), handover::State::aborting, &Migration::state);
  if (jobs.taken_up + jobs.gone + jobs.lost == 0 && given_up == 0) return;
  spdlog::info("{} job{} taken up, {} gone, {} lost, {} migration{} given up", jobs.taken_up,
               jobs.taken_up == 1 ? "" : "s", jobs.gone, jobs.lost, given_up,
               given_up == 1 ? "" : "s");
}

void Agent::stop() {
  server_.close();
  hub_.close();
  tasks_.stop();
}

void Agent::reload() {
  health_.read_policy_again();
  try {
    auto security = ApiSecurity::load(config_);
    if (config_.tls.any()) tls::Identity::use(context_, tls::client_context(config_.tls));
    server_.renew(std::move(security));
    spdlog::info("certificates, revocations and tokens are read anew");
    tls::log_ends(server_.endings());
  } catch (const Error& error) {
    spdlog::error("reload: {}; what was read before still holds", error.what());
  }
}

std::string Agent::summary() {
  const auto jobs = std::count_if(jobs_.all().begin(), jobs_.all().end(), [](const Job& job) {
    return job.live() && !job.standby && !job.superseded;
  });
  const auto& all = migrations_.all();
  const auto moving = std::count_if(all.begin(), all.end(),
                                    [](const Migration& m) { return !handover::is_over(m.state); });
  return fmt::format("{} jobs, {} migrations under way", jobs, moving);
}

void Agent::write_agent_file() const {
  const auto file = config_.data_dir / "agent.json";
  const auto fresh = file.string() + ".new";
  std::error_code absent;
  std::filesystem::remove(fresh, absent);
  {
    std::ofstream out(fresh);
    out << json::object{{"pid", ::getpid()},
                        {"socket", config_.socket.string()},
                        {"host", config_.host_name},
                        {"listen", config_.has_port() ? config_.listen_address().text() : ""},
                        {"tls", config_.tls.any()},
                        {"port", config_.listen_port}}
        << "\n";
  }
  std::filesystem::rename(fresh, file);
}

RuntimeHub::Events Agent::runtime_events() {
  RuntimeHub::Events events;
  events.hello = [this](Job& job, const channel::Hello& hello) {
    job.network = hello.network;
    if (job.standby) return reservations_.welcome(job);
    channel::Welcome welcome;
    welcome.epoch = job.epoch;
    welcome.granted = handover::check_attach(job, hello.epoch, jobs_, migrations_, reservations_);
    job.frozen = hello.frozen;
    jobs_.set_state(job, "running");
    return welcome;
  };
  events.message = [this](Job& job, const channel::Message& message) {
    if (job.newer_epoch != 0) return Jobs::keep_fenced(job);  // somebody let it go on
    if (const auto* hello = std::get_if<channel::Hello>(&message)) {
      migrations_.on_hello(job, *hello);
    } else if (const auto* tracked = std::get_if<channel::Tracked>(&message)) {
      const auto warning = note_sizes(job, *tracked, jobs_.device_bytes(job.device));
      if (!warning.empty()) {
        spdlog::warn("{}", warning);
        health_.note({"job_size", warning, job.name, job.device});
      }
      try {
        if (sizes_.are_due(job.instance, std::chrono::steady_clock::now())) jobs_.save(job);
      } catch (const Error& disk) {
        // Sizes, which no decision rests on: no reason to lose what the runtime says next.
        spdlog::warn("job {}: {}", job.name, disk.what());
      }
      jobs_.changed().notify();
    } else if (const auto* page = std::get_if<channel::StateList>(&message)) {
      state_lists_.take(job.instance, *page);
      return;
    } else if (const auto* stepped = std::get_if<channel::Stepped>(&message)) {
      note_step(job, stepped->step, stepped->median_step_ms);
    } else if (const auto* parked = std::get_if<channel::Parked>(&message)) {
      job.state_bytes = bounded_bytes(parked->state_bytes);
    } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
      note_step(job, resumed->step, job.median_step_ms);
    }
    reservations_.on_message(job, message);
    migrations_.on_message(job, message);
  };
  events.detached = [this](Job& job) { migrations_.on_detached(job); };
  return events;
}

void Agent::more_metrics(Exposition& out) const {
  health::write_metrics(out, health_);
  write_metrics(out, cordons_, config_);
}

health::Hooks Agent::health_hooks() {
  health::Hooks hooks;
  hooks.cordon = [this](const std::string& device, const std::string& reason) {
    // An operator's own reason stays.
    if (!cordons_.of(device)) cordons_.set({device, reason, "health", unix_ms()});
  };
  hooks.peers = [this] { return config_.peers; };
  return hooks;
}

void Agent::add_host_calls() {
  router_.on("GET", "/v1/version", [this](ApiRequest) -> asio::awaitable<ApiAnswer> {
    json::array warnings;
    for (const auto& warning : journal_.warnings()) warnings.emplace_back(warning);
    if (!data_plane_.warning().empty()) warnings.emplace_back(data_plane_.warning());
    const auto up = std::chrono::steady_clock::now() - started_;
    co_return ApiAnswer{200, json::object{{"version", CARDSWAP_VERSION},
                                          {"api", 1},
                                          {"host", config_.host_name},
                                          {"pid", ::getpid()},
                                          {"data_dir", config_.data_dir.string()},
                                          {"uptime_ms", up / std::chrono::milliseconds(1)},
                                          {"warnings", warnings}}};
  });
  router_.on("GET", "/v1/devices", [this](ApiRequest) -> asio::awaitable<ApiAnswer> {
    const auto or_null = [](const std::string& text) {
      return text.empty() ? json::value(nullptr) : json::value(text);
    };
    json::array list;
    for (const auto& device : jobs_.devices()) {
      json::array names;
      for (const auto& name : device.jobs) names.emplace_back(name);
      const auto cordon = cordons_.of(device.name);
      list.push_back(json::object{
          {"name", device.name},
          {"kind", device.kind},
          {"model", or_null(device.kind == "cpu" ? processor_model() : device.model)},
          {"uuid", or_null(device.kind == "cpu" ? device_uuid(device.name) : device.uuid)},
          {"total_bytes", device.total_bytes},
          {"free_bytes", device.free_bytes},
          {"reserved_bytes", device.reserved_bytes},
          {"jobs", names},
          {"cordoned", cordon.has_value()},
          {"unhealthy", !health_.usable(device.name)},
          {"cordon_reason", or_null(cordon ? cordon->reason : "")}});
    }
    co_await criu_.look();
    co_return ApiAnswer{
        200,
        json::object{{"host", config_.host_name}, {"devices", list}, {"criu", to_json(criu_)}}};
  });
}

void Agent::add_migration_calls() {
  router_.on("POST", "/v1/migrations", [this](ApiRequest request) -> asio::awaitable<ApiAnswer> {
    request = co_await migrations_.prepared(std::move(request));
    if (request.flag_or("dry_run", false)) {
      auto plan = co_await migrations_.plan(std::move(request));
      co_return ApiAnswer{200, std::move(plan)};
    }
    co_return ApiAnswer{202, to_json(migrations_.start(request))};
  });
  router_.on("GET", "/v1/migrations", [this](ApiRequest request) -> asio::awaitable<ApiAnswer> {
    const bool running = request.query_or("running", 0) != 0;
    json::array list;
    for (auto m = migrations_.all().rbegin(); m != migrations_.all().rend(); ++m) {
      if (!running || !handover::is_over(m->state)) list.push_back(to_json(*m));
    }
    if (request.query_or("incoming", 0) != 0) {
      for (auto r = reservations_.all().rbegin(); r != reservations_.all().rend(); ++r) {
        if (migrations_.has(r->migration)) continue;  // between two devices of this host
        list.push_back(incoming_json(*r, jobs_.by_instance(r->instance), config_));
      }
    }
    co_return ApiAnswer{200, json::object{{"migrations", list}}};
  });
  router_.on(
      "GET", "/v1/migrations/{id}", [this](ApiRequest request) -> asio::awaitable<ApiAnswer> {
        const auto id = request.path.at("id");
        if (!migrations_.has(id) && reservations_.has(id)) {
          const auto& r = reservations_.at(id);
          co_return ApiAnswer{200, incoming_json(r, jobs_.by_instance(r.instance), config_)};
        }
        const auto after = static_cast<std::uint64_t>(request.query_or("after", 0));
        const auto wait = std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, 60'000);
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
        while (migrations_.at(id).version <= after && std::chrono::steady_clock::now() < until) {
          co_await migrations_.changed().wait_until(until);
        }
        co_return ApiAnswer{200, to_json(migrations_.at(id))};
      });
  router_.on("GET", "/v1/migrations/{id}/timeline",
             [this](ApiRequest request) -> asio::awaitable<ApiAnswer> {
               co_return ApiAnswer{200, timeline_json(migrations_.at(request.path.at("id")))};
             });
  router_.on("POST", "/v1/migrations/{id}/cancel",
             [this](ApiRequest request) -> asio::awaitable<ApiAnswer> {
               const auto id = request.path.at("id");
               migrations_.cancel(id);
               co_return ApiAnswer{200, to_json(migrations_.at(id))};
             });
  router_.on("POST", "/v1/migrations/{id}/resolve",
             [this](ApiRequest request) -> asio::awaitable<ApiAnswer> {
               request.only({"force", "overrule"});
               OperatorsWord word{request.text("force"), request.caller.name,
                                  request.flag_or("overrule", false)};
               co_return co_await resolve(request.path.at("id"), std::move(word));
             });
  router_.on("POST", "/v1/migrations/{id}/proceed",
             [this](ApiRequest request) -> asio::awaitable<ApiAnswer> {
               if (!config_.failpoints) {
                 throw Error(Code::bad_request, "proceed needs an agent started with --failpoints");
               }
               const auto id = request.path.at("id");
               migrations_.proceed(id);
               co_return ApiAnswer{200, to_json(migrations_.at(id))};
             });
}

/// Of whichever side of the migration this host is.
asio::awaitable<ApiAnswer> Agent::resolve(std::string id, OperatorsWord word) {
  if (word.to != "source" && word.to != "target") {
    throw Error(Code::bad_request, fmt::format("'{}' is no side", word.to), "use source or target");
  }
  if (reservations_.has(id)) {
    co_await reservations_.force(id, std::move(word));
    auto answer = to_json(reservations_.at(id));
    for (const auto* secret : {"data_token", "data_key", "image_token", "image_key"})
      answer.erase(secret);
    co_return ApiAnswer{200, std::move(answer)};
  }
  co_await migrations_.force(id, std::move(word));
  co_return ApiAnswer{200, to_json(migrations_.at(id))};
}

}  // namespace cardswap
