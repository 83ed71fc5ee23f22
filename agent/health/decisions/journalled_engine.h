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

/// The decision engine with a clock and a disk: sources report to it, and it writes the engine's
/// events, open faults and guards into the journal's file. One thread.
class JournalledEngine {
 public:
  /// Takes over the open faults and the guards that a former agent left in `file`. Throws as
  /// EventLog does; a damaged fault is logged and forgotten.
  JournalledEngine(const std::filesystem::path& file, Policy policy,
                   std::vector<DeviceName> devices);
  JournalledEngine(const JournalledEngine&) = delete;
  JournalledEngine& operator=(const JournalledEngine&) = delete;

  /// The time since 1970 at the start, plus the time since then: it never goes back.
  [[nodiscard]] Ms now() const;
  [[nodiscard]] const DecisionEngine& engine() const { return engine_; }
  [[nodiscard]] EventLog& log() { return log_; }
  [[nodiscard]] const EventLog& log() const { return log_; }

  /// Takes a finding about the device that its source calls `called`, or about kHost. A device that
  /// this agent does not have gets one event and nothing else.
  void report(Finding finding, const std::string& called);
  /// Sets the state of a source: "ok", or what is wrong. A change is an event.
  void set_source(const std::string& source, const std::string& state);
  [[nodiscard]] const std::map<std::string, std::string>& sources() const { return sources_; }

  // The calls of DecisionEngine, at the present time. All but observe() notify due(). What they
  // change is on disk after the next write().
  void emit_event(HealthEvent event);
  /// Does not notify due(): a webhook has thousands of findings, which are to be written together.
  /// After the last one, call emit_event() or report().
  void observe(Finding finding);
  void note_move_ended(std::uint64_t incident, const std::string& job_uid, bool moved);
  void note_not_placed(const Move& move, const std::string& why);
  void forget_move(const std::string& job_uid);
  void note_cordoned(std::uint64_t incident);
  void note_cordon_failed(std::uint64_t incident, const std::string& failure);
  void clear(const std::string& device, const std::string& reason, const std::string& by);
  void close_breaker(const std::string& reason, const std::string& by);
  void use(Policy policy, std::vector<DeviceName> devices);
  void learn(const std::string& device, const std::string& uuid, const std::string& pci);
  /// What is to be done now. Does not notify due(): the caller does what is planned, and writes.
  [[nodiscard]] Plan plan(const std::vector<HostJob>& jobs) { return engine_.plan(now(), jobs); }

  /// Writes new events and changed faults. Throws Error{io, corrupt}; the next call then writes
  /// them again. Each event is logged once, at the first call.
  void write();
  /// Does what write() does, but logs a failure instead of throwing it, once until the disk accepts
  /// a write again. Returns whether everything is on disk.
  bool flush();

  /// Notified when there is something to decide or to write.
  Signal& due() { return due_; }
  /// Notified when new events are on disk.
  Signal& changed() { return changed_; }

 private:
  EventLog log_;
  DecisionEngine engine_;
  Signal due_;
  Signal changed_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::int64_t started_ms_;
  std::map<std::string, std::string> sources_;
  std::set<std::string> unknown_devices_;  ///< devices and codes that got their event; bounded
  bool dirty_ = false;      ///< open faults and guards have changed and are not on disk
  std::size_t logged_ = 0;  ///< how many of the first events that wait for the disk were logged
  bool failure_logged_ = false;
};

}  // namespace cardswap::health
