#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/base/task_group.h"
#include "agent/health/decisions/decision_engine.h"
#include "agent/journal/event_log.h"

namespace cardswap::health {

/// The decision engine with a clock and a disk. Sources report to it; it writes the engine's events
/// and open faults into the journal's file. One thread.
class JournalledEngine {
 public:
  /// Takes up the open faults and the guards that a former agent left in `file`.
  JournalledEngine(const std::filesystem::path& file, Policy policy,
                   std::vector<DeviceName> devices);
  JournalledEngine(const JournalledEngine&) = delete;
  JournalledEngine& operator=(const JournalledEngine&) = delete;

  [[nodiscard]] Ms now() const;
  [[nodiscard]] const DecisionEngine& engine() const { return engine_; }
  [[nodiscard]] EventLog& log() { return log_; }
  [[nodiscard]] const EventLog& log() const { return log_; }

  /// A source's finding about the device that it calls `called`, or about kHost. A device that this
  /// agent does not have is told of once and never acted on.
  void report(Finding finding, const std::string& called);
  /// How a source is: "ok", or what is wrong. A change is an event.
  void set_source(const std::string& source, const std::string& state);
  [[nodiscard]] const std::map<std::string, std::string>& sources() const { return sources_; }

  // What changes the engine, as of now: each is what the DecisionEngine's is, notifies due(), and
  // is on disk with the next write.
  void emit_event(Event event);
  /// Notifies nobody: a webhook has thousands, and each would be written by itself. Whoever has
  /// observed the last of them emits an event, or reports.
  void observe(Finding finding);
  void move_ended(std::uint64_t incident, const std::string& job_uid, bool moved);
  void not_placed(const Move& move, const std::string& why);
  void forget_move(const std::string& job_uid);
  void cordoned(std::uint64_t incident);
  void cordon_failed(std::uint64_t incident, const std::string& failure);
  void clear(const std::string& device, const std::string& reason, const std::string& by);
  void close_breaker(const std::string& reason, const std::string& by);
  void use(Policy policy, std::vector<DeviceName> devices);
  void learn(const std::string& device, const std::string& uuid, const std::string& pci);
  /// What is due; whoever asks does it, and so is not notified.
  [[nodiscard]] Plan plan(const std::vector<HostJob>& jobs) { return engine_.plan(now(), jobs); }

  /// Writes new events and open faults. Throws Error{io}: the next call writes them again. The log
  /// has each event once, from the first call on.
  void write();
  /// Writes as write() does, but logs a failure, once until everything is on disk again. Returns
  /// whether it is.
  bool flush();

  /// Notified when there is something to decide or to write.
  Signal& due() { return due_; }
  /// Notified when there are new events on disk.
  Signal& changed() { return changed_; }

 private:
  EventLog log_;
  DecisionEngine engine_;
  Signal due_;
  Signal changed_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::int64_t started_ms_;
  std::map<std::string, std::string> sources_;
  std::set<std::string> unknown_devices_;  ///< told of once each; bounded
  bool dirty_ = false;      ///< open faults and guards have changed and are not on disk
  std::size_t logged_ = 0;  ///< of the events that wait for the disk, the first: the log has them
  bool failure_logged_ = false;
};

}  // namespace cardswap::health
