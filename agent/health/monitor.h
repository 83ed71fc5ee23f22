#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/base/agent_event.h"
#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/handover/migrations.h"
#include "agent/health/alert.h"
#include "agent/health/counts.h"
#include "agent/health/engine.h"
#include "agent/health/kernel_reader.h"
#include "agent/health/log_place.h"
#include "agent/health/own_host.h"
#include "agent/health/sight.h"
#include "agent/health/targets.h"
#include "agent/jobs/jobs.h"
#include "agent/journal/event_log.h"

namespace cardswap::health {

/// What the monitor asks of the agent around it.
struct Hooks {
  /// Sets a cordon: nothing new is placed there. Throws Error if it did not reach the disk.
  std::function<void(const std::string& device, const std::string& reason)> cordon;
  /// Other agents, as HOST:PORT.
  std::function<std::vector<std::string>()> peers;
};

/// Keeps jobs off sick devices. Sources report findings, the engine decides, and the monitor acts
/// or, in observe mode, logs what it would do. Every event is in the journal. One thread; sources
/// and moves are tasks of `tasks`.
class Monitor {
 public:
  /// Reads the policy. Throws Error{bad_request} naming its line.
  Monitor(asio::io_context& context, TaskGroup& tasks, const Config& config, Jobs& jobs,
          Migrations& migrations, Hooks hooks);

  void start();
  /// Reads the policy's file again. If it is wrong, logs that in an event and keeps the policy that
  /// was read last.
  void read_policy_again();

  /// Adds an event of another part of the agent to the same list, and to the disk as soon as the
  /// disk accepts it.
  void note(const AgentEvent& event);
  /// What became of a webhook's alerts; the sum is their number.
  struct Taken {
    std::size_t ours = 0;
    std::size_t not_ours = 0;
    std::size_t unclear = 0;
    std::size_t unreadable = 0;
    [[nodiscard]] std::size_t all() const { return ours + not_ours + unclear + unreadable; }
  };
  /// Takes a webhook's body: one call at a time, a few alerts at a time, so that nobody else waits.
  /// Everything is on disk when it returns. Throws Error{bad_request} for a body that is no
  /// webhook's and Error{io}: the sender has to repeat.
  asio::awaitable<Taken> take(boost::json::object body);
  /// A webhook call that failed: counted and logged.
  void refused(const Error& error);
  void clear(const std::string& device, const std::string& reason, const std::string& by);
  void close_breaker(const std::string& reason, const std::string& by);

  /// GET /v1/health.
  [[nodiscard]] boost::json::object status() const;
  [[nodiscard]] const EventLog& events() const { return log_; }
  [[nodiscard]] const Engine& engine() const { return engine_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// By the source's name: "ok", or what is wrong.
  [[nodiscard]] const std::map<std::string, std::string>& sources() const { return sources_; }
  [[nodiscard]] Ms now() const;
  /// Notified when there are new events.
  Signal& changed() { return changed_; }
  [[nodiscard]] bool usable(std::string_view device) const { return engine_.usable(device); }

 private:
  /// A move that a task of this agent follows. Without such a task its slot in the budget is free.
  class Followed {
   public:
    Followed(Monitor& monitor, std::string job_uid)
        : monitor_(monitor), job_uid_(std::move(job_uid)) {}
    ~Followed() { monitor_.followed_.erase(job_uid_); }
    Followed(const Followed&) = delete;
    Followed& operator=(const Followed&) = delete;

   private:
    Monitor& monitor_;
    std::string job_uid_;
  };
  struct Choice {
    std::string target;    ///< "HOST:PORT/DEVICE"; empty: none
    std::string why_none;  ///< for people
  };

  void report(Finding finding, const std::string& called);
  /// Why it is unclear whose the alert is, where it is; else it is observed or is not ours.
  std::string take(const Alert& alert, const OwnHost& own, Taken& taken);
  void source_state(const std::string& source, const std::string& state);
  void follow_kernel_log();
  void kernel_line(std::string_view line, const KernelReader::Since& since);
  void kernel_fault(const DriverFault& fault);
  void kernel_lost(const std::string& what);
  void keep_place(bool now);
  void watch_nvml();
  void know_nvml_device(int index, const std::string& uuid, const std::string& pci);
  [[nodiscard]] Sight sight() const;
  void start_probes();
  void close_all(const std::vector<CordonOrder>& cordons);
  asio::awaitable<void> drive();
  asio::awaitable<void> probe(Probe probe, unsigned generation);
  asio::awaitable<void> carry_out(Move move);
  asio::awaitable<Choice> choose(Move move);
  asio::awaitable<bool> migrate(Move move, std::string target);
  asio::awaitable<void> take_up(std::string job_uid);
  /// Waits for the migration's end; whether it completed.
  asio::awaitable<bool> over(std::string migration);
  void free_places();
  void tell(const Move& move, const std::string& kind, const std::string& text,
            const std::string& migration = {});
  /// Writes new events and open faults. Throws Error{io}: the next call writes them again.
  void write();
  /// The same, but logs a failure. Returns whether everything is on disk.
  bool flush();
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
  Signal turn_;  ///< of a webhook
  bool takes_webhook_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::int64_t started_ms_;
  Counts counts_;
  std::map<std::string, std::string> sources_;
  std::vector<DeviceName> nvml_devices_;                   ///< the devices that NVML watches
  std::map<std::string, std::vector<std::string>> avoid_;  ///< job uid: targets that failed
  std::set<std::string> followed_;                         ///< job uids
  bool dirty_ = false;  ///< open faults and guards have changed and are not on disk
  std::set<std::string> unknown_devices_;  ///< logged once each; bounded
  std::unique_ptr<KernelReader> reader_;   ///< null: no kernel log is followed
  std::set<std::string> lines_told_;       ///< kinds of unknown lines, logged once each
  std::vector<DriverFault> held_;          ///< from lines that may belong to a former boot
  LogPlace place_;                         ///< everything before it is processed
  LogPlace kept_place_;
  Ms place_kept_at_ = 0;
  bool heard_fault_ = false;    ///< the kernel log had a fault whose place is not on disk yet
  unsigned policy_number_ = 0;  ///< probes of a former policy see it and end
};

}  // namespace cardswap::health
