#include "agent/agent.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/api/tcp_port.h"
#include "agent/base/replace_file.h"
#include "agent/base/units.h"
#include "agent/fleet/fleet_routes.h"
#include "agent/fleet/host_metrics.h"
#include "agent/fleet/host_routes.h"
#include "agent/follow/outcome_routes.h"
#include "agent/gang/gang_routes.h"
#include "agent/handover/hold_routes.h"
#include "agent/handover/migration_routes.h"
#include "agent/handover/peer_routes.h"
#include "agent/handover/restore_routes.h"
#include "agent/handover/rollback_routes.h"
#include "agent/health/health_metrics.h"
#include "agent/health/health_routes.h"
#include "agent/jobs/job_routes.h"
#include "agent/jobs/log_limit.h"
#include "agent/security/identity.h"
#include "agent/snapshots/protection_routes.h"
#include "agent/snapshots/snapshot_metrics.h"
#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap {

namespace json = boost::json;

namespace {

/// Not open if no port is configured.
asio::ip::tcp::acceptor open_port(asio::io_context& context, const Config& config) {
  if (!config.has_port()) return asio::ip::tcp::acceptor(context);
  return open_tcp_port(context, config.listen_address());
}

/// `config` with the port that was taken.
Config with_port(Config config, const asio::ip::tcp::acceptor& port) {
  if (port.is_open()) config.listen_port = port.local_endpoint().port();
  return config;
}

}  // namespace

Agent::Agent(asio::io_context& context, const Config& config)
    : Agent(context, config, open_port(context, config)) {}

Agent::Agent(asio::io_context& context, const Config& config, asio::ip::tcp::acceptor port)
    : context_(context),
      config_(with_port(config, port)),
      tasks_(context),
      journal_(config_.data_dir / "journal.db"),
      cordons_(journal_),
      jobs_(tasks_, config_, journal_, events_),
      hub_(context, tasks_, jobs_.table(), runtime_callbacks()),
      migrations_(handover_context(), [this](const Migration& m) { forgotten_.add(m); }),
      reservations_(handover_context(), cordons_, migrations_),
      moves_(handover_context(), migrations_,
             [this](const gang::GangRecord& m) { forgotten_.add(m); }),
      recoverer_({{jobs_, migrations_, tasks_, events_, config_},
                  cordons_,
                  [this](const std::string& device) {
                    return !health_.engine().incidents().is_sick(device);
                  }}),
      health_({context, tasks_, config_, jobs_.table(), migrations_, moves_, cordons_, recoverer_}),
      protector_({config_, jobs_.table(), migrations_, tasks_, events_, hub_}),
      server_(context, tasks_, router_, handover_gate_, ApiSecurity::load(config_),
              std::move(port)) {
  if (config_.tls.is_configured()) tls::Identity::use(context, tls::client_context(config_.tls));
  add_fleet_routes(router_, cordons_, jobs_.devices(), config_, [this](const std::string& device) {
    return health_.engine().incidents().open_fault(device);
  });
  add_host_routes(router_, {config_, journal_, jobs_.devices(), cordons_, health_, criu_,
                            data_plane_, started_});
  add_job_routes(router_, jobs_, cordons_, config_);
  add_hold_routes(router_, jobs_, migrations_, hub_, config_);
  state_lists_.add_routes(router_, config_.host_name);
  add_migration_routes(router_, migrations_, reservations_, jobs_.table(), moves_, config_);
  add_restore_routes(router_, jobs_, migrations_, tasks_, config_);
  add_rollback_routes(router_, jobs_, migrations_, tasks_, config_);
  snapshots::add_protection_routes(router_, jobs_, migrations_, config_);
  add_peer_routes(router_, migrations_, reservations_, criu_, data_plane_, moves_);
  gang::add_gang_routes(router_, moves_);
  follow::add_outcome_routes(router_, outcomes_);
  health::add_health_routes(router_, health_);
}

void Agent::start() {
  jobs_.set_ownership(ownership_);
  events_.start([this](const AgentEvent& event) { health_.note(event); });
  server_.accept_tcp();
  reservations_.load();
  moves_.load();
  const auto jobs = jobs_.processes().take_up(
      [this](const Instance& instance) { return reservations_.survives_restart(instance); });
  reservations_.take_up_after_restart();
  hub_.listen(config_.runtime_socket());
  migrations_.take_up_after_restart();
  moves_.take_up_after_restart();
  for (const auto& warning : journal_.warnings()) {
    spdlog::error("{}", warning);
    events_.emit({.kind = "journal_damaged", .text = warning});
  }
  log_taken_up(jobs);
  health_.start();
  protector_.start();
  recoverer_.start();
  tasks_.spawn("look for CRIU", criu_.probe());
  tasks_.spawn("try the data plane", data_plane_.probe());
  tasks_.spawn("bound logs", bound_logs(jobs_.table(), events_, config_.job_log_max));
  server_.listen_unix(config_.socket);
  tls::log_expiries(server_.expiries());
  metrics_.set_taken_up();
  try {
    write_agent_file();
  } catch (...) {
    // The file only saves callers a question; on a full disk the agent runs without it.
    spdlog::warn("{}; the agent runs without it", error_of(std::current_exception()).failure());
    std::error_code absent;
    std::filesystem::remove(config_.data_dir / "agent.json", absent);  // of a former agent
  }
  spdlog::info("{} listens on {} and {}", config_.host_name, config_.socket.string(),
               config_.has_port() ? config_.listen_address().text() : "no TCP port");
}

/// What an operator wants to know after an upgrade or a reboot.
void Agent::log_taken_up(const JobProcesses::TakenUp& jobs) {
  const auto given_up =
      std::ranges::count(migrations_.all(), handover::SourceState::aborting, &Migration::state);
  if (jobs.running + jobs.gone + jobs.lost == 0 && given_up == 0) return;
  spdlog::info("{} taken up, {} gone, {} lost, {} given up", counted(jobs.running, "job"),
               jobs.gone, jobs.lost, counted(static_cast<std::uint64_t>(given_up), "migration"));
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
    if (config_.tls.is_configured()) tls::Identity::use(context_, tls::client_context(config_.tls));
    server_.renew(std::move(security));
    spdlog::info("certificates, revocations and tokens are read anew");
    tls::log_expiries(server_.expiries());
  } catch (const Error& error) {
    spdlog::error("reload: {}; what was read before still holds", error.what());
  }
}

std::string Agent::summary() {
  const auto jobs = std::ranges::count_if(
      jobs_.table().all(), [](const Job& job) { return job.is_live() && job.is_current(); });
  const auto& all = migrations_.all();
  const auto moving = std::count_if(
      all.begin(), all.end(), [](const Migration& m) { return !handover::is_over(m.state()); });
  return fmt::format("{}, {} under way", counted(static_cast<std::uint64_t>(jobs), "job"),
                     counted(static_cast<std::uint64_t>(moving), "migration"));
}

void Agent::write_agent_file() const {
  const auto text = json::serialize(
      json::object{{"pid", ::getpid()},
                   {"socket", config_.socket.string()},
                   {"host", config_.host_name},
                   {"listen", config_.has_port() ? config_.listen_address().text() : ""},
                   {"tls", config_.tls.is_configured()},
                   {"port", config_.listen_port}});
  // Whatever the umask is, nobody else may write it.
  replace_file(config_.data_dir / "agent.json", text + "\n", {.mode = 0644});
}

HandoverContext Agent::handover_context() {
  return {context_,        tasks_, config_, journal_,       jobs_.table(), jobs_.processes(),
          jobs_.devices(), hub_,   criu_,   handover_gate_, events_};
}

RuntimeHub::Callbacks Agent::runtime_callbacks() {
  return {.hello =
              [this](Instance& instance, const channel::Hello& hello) {
                return runtime_dispatcher_.welcome(instance, hello);
              },
          .message =
              [this](Instance& instance, const channel::Message& message) {
                runtime_dispatcher_.dispatch(instance, message);
              },
          .detached = [this](Instance& instance) { runtime_dispatcher_.detached(instance); },
          .rank_message =
              [this](Instance& instance, std::uint32_t rank, const channel::Message& message) {
                runtime_dispatcher_.dispatch_rank(instance, rank, message);
              },
          .rank_detached = [this](Instance& instance,
                                  std::uint32_t rank) { moves_.on_detached(instance, rank); },
          .follow =
              [this](const Instance& instance, std::uint32_t rank, auto tell) {
                tasks_.spawn("tell of a rank that has left",
                             outcomes_.report(instance.id(), rank, std::move(tell)));
              },
          .deliver =
              [this](const std::string& instance, std::uint32_t rank, int signal) {
                tasks_.spawn("pass a signal on", outcomes_.deliver(instance, rank, signal));
              }};
}

void Agent::more_metrics(Exposition& out) const {
  health::write_metrics(out, health_);
  snapshots::write_metrics(out, jobs_.table());
  write_metrics(out, cordons_, config_);
}

}  // namespace cardswap
