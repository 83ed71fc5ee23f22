#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/agent_event.h"
#include "agent/config.h"
#include "agent/handover/migrations.h"
#include "agent/health/alert.h"
#include "agent/health/engine.h"
#include "agent/health/targets.h"
#include "agent/jobs/jobs.h"
#include "agent/journal/event_log.h"
#include "agent/task_group.h"

namespace cardswap::health {

/// What the monitor does to the agent around it.
struct Hooks {
  /// Nothing new is placed there from now on.
  std::function<void(const std::string& device, const std::string& reason)> cordon;
  /// Other agents, as HOST:PORT.
  std::function<std::vector<std::string>()> peers;
};

/// Keeps jobs off sick devices: sources tell it findings, its engine decides, it acts or says what
/// it would do. Every event is in the journal. One thread; sources and moves are tasks of `tasks`.
class Monitor {
 public:
  /// Reads the policy. Throws Error{bad_request} naming its line.
  Monitor(asio::io_context& context, TaskGroup& tasks, const Config& config, Jobs& jobs,
          Migrations& migrations, Hooks hooks);

  void start();

  /// An event of another part of the agent, in the same list; on disk when the disk takes it.
  void note(const AgentEvent& event);
  /// On disk when it returns. Returns how many alerts it took for itself.
  std::size_t take(const Webhook& webhook);
  void clear(const std::string& device, const std::string& reason);
  void close_breaker(const std::string& reason);

  /// GET /v1/health.
  [[nodiscard]] boost::json::object status() const;
  [[nodiscard]] const EventLog& events() const { return log_; }
  /// Notified when there are new events.
  Signal& changed() { return changed_; }
  [[nodiscard]] bool usable(std::string_view device) const { return engine_.usable(device); }

 private:
  [[nodiscard]] Ms now() const;
  void report(Finding finding, const std::string& called);
  void source_state(const std::string& source, const std::string& state);
  void kernel_line(std::string_view line);
  void know_nvml_device(int index, const std::string& uuid, const std::string& pci);
  void close(const Cordon& cordon);
  asio::awaitable<void> drive();
  asio::awaitable<void> probe(Probe probe);
  asio::awaitable<void> carry_out(Move move);
  asio::awaitable<std::string> choose(Move move);
  asio::awaitable<bool> migrate(Move move, std::string target);
  asio::awaitable<void> take_up(std::string job_uid);
  /// Whether the migration completed, once it is over.
  asio::awaitable<bool> over(std::string migration);
  void tell(const Move& move, const std::string& kind, const std::string& text,
            const std::string& migration = {});
  /// Writes what there is to tell; on failure it is logged and told with the next.
  void flush();
  [[nodiscard]] std::vector<HostJob> host_jobs();
  [[nodiscard]] std::string own_address() const;

  asio::io_context& context_;
  TaskGroup& tasks_;
  const Config& config_;
  Jobs& jobs_;
  Migrations& migrations_;
  Hooks hooks_;
  EventLog log_;
  Engine engine_;
  Signal wake_;
  Signal changed_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::int64_t started_ms_;
  std::map<std::string, std::string> sources_;             ///< name: "ok", or what is wrong
  std::map<std::string, std::vector<std::string>> avoid_;  ///< job uid: targets that failed
  bool unkept_ = false;              ///< open faults and guards have changed and are not on disk
  std::set<std::string> strangers_;  ///< told once each, bounded
};

}  // namespace cardswap::health
