#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agent/api/api_server.h"
#include "agent/api/router.h"
#include "agent/attach/runtime_hub.h"
#include "agent/attach/state_lists.h"
#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/follow/outcomes.h"
#include "agent/gang/moves.h"
#include "agent/handover/base/data_plane.h"
#include "agent/handover/ownership.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/health/monitor.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/jobs.h"
#include "agent/journal/journal.h"
#include "agent/metrics/metrics_routes.h"
#include "agent/runtime_dispatcher.h"
#include "agent/snapshots/protector.h"
#include "agent/snapshots/recoverer.h"

namespace cardswap {

/// The agent of one host. It owns all parts, in the order in which they need each other. One
/// thread, which runs the io_context.
class Agent {
 public:
  /// Takes the TCP port, whose callers wait until start(), and opens the journal. `context` must
  /// outlive it. Throws Error{io, conflict, refused, bad_request}.
  Agent(asio::io_context& context, const Config& config);

  /// Goes on with jobs, migrations and reservations that a former agent left, then serves until
  /// stop(). Returns at once. Throws Error.
  void start();
  /// Stops serving and cancels every task; jobs go on. Returns at once: the context must run until
  /// is_stopped().
  void stop();
  /// Reads the health policy, certificates, keys, revocations and tokens again; they count for open
  /// connections too. An error is logged, and the former files stay in force.
  void reload();
  /// One line for the service manager: how many jobs and migrations there are.
  [[nodiscard]] std::string summary();
  /// Whether every task has ended.
  [[nodiscard]] bool is_stopped() const { return tasks_.empty(); }
  [[nodiscard]] const Router& router() const { return router_; }

 private:
  Agent(asio::io_context& context, const Config& config, asio::ip::tcp::acceptor port);

  HandoverContext handover_context();
  RuntimeHub::Callbacks runtime_callbacks();
  void more_metrics(Exposition& out) const;
  void log_taken_up(const JobProcesses::TakenUp& jobs);
  void write_agent_file() const;

  asio::io_context& context_;
  const Config config_;  // with the port that was taken
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  EventSink events_;
  TaskGroup tasks_;
  Journal journal_;
  Cordons cordons_;
  Jobs jobs_;
  RuntimeHub hub_;
  StateLists state_lists_{jobs_.table(), hub_};
  criu::MoveTools criu_{context_, config_, journal_};
  DataPlane data_plane_{config_};
  HandoverGate handover_gate_;
  FinishedMigrations forgotten_;  // migrations_ adds to it
  Migrations migrations_;
  Reservations reservations_;
  gang::Moves moves_;
  follow::Outcomes outcomes_{tasks_, config_, jobs_.table()};
  handover::Ownership ownership_{migrations_, reservations_, moves_};
  snapshots::Recoverer recoverer_;  // asks health_, while tasks run
  health::Monitor health_;
  snapshots::Protector protector_;
  RuntimeDispatcher runtime_dispatcher_{jobs_,         hub_,   state_lists_, migrations_,
                                        reservations_, moves_, events_};
  RequestStats requests_;
  Router router_{[this](const std::string& route, unsigned status, double seconds) {
    requests_.note(route, status, seconds);
  }};
  ApiServer server_;
  MetricsRoutes metrics_{{config_, journal_, jobs_, hub_, migrations_, reservations_, moves_,
                          server_, forgotten_, [this](Exposition& out) { more_metrics(out); },
                          [this](FinishedMigrations& to) {
                            for (const auto& [id, one] : moves_.gangs()) to.add(one->record());
                          }},
                         requests_,
                         router_};
};

}  // namespace cardswap
