#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/base/agent_event.h"
#include "agent/health/mover.h"
#include "agent/health/sources/health_context.h"
#include "agent/health/sources/kernel_log_source.h"
#include "agent/health/sources/nvml_devices.h"
#include "agent/health/sources/probes.h"
#include "agent/health/sources/source_coverage.h"
#include "agent/health/sources/webhooks.h"

namespace cardswap::health {

/// Keeps jobs off sick devices. Sources report findings, the engine decides, and the monitor
/// carries the decision out; in observe mode it only logs it. Every event is in the journal. One
/// thread; sources and moves are tasks of its context's group.
class Monitor {
 public:
  /// Reads the policy. Throws Error{bad_request} naming its line.
  explicit Monitor(const HealthContext& context);

  void start();
  /// Reads the policy's file again. If it is wrong, logs that in an event and keeps the policy that
  /// was read last.
  void read_policy_again();

  /// Adds an event of another part of the agent to the same list, and to the disk as soon as the
  /// disk accepts it.
  void note(const AgentEvent& event);
  /// An operator's word that a device is well, and that moves may start again.
  void clear(const std::string& device, const std::string& reason, const std::string& by);
  void close_breaker(const std::string& reason, const std::string& by);
  [[nodiscard]] Webhooks& webhooks() { return webhooks_; }

  /// GET /v1/health.
  [[nodiscard]] boost::json::object status() const;
  [[nodiscard]] const EventLog& events() const { return journalled_.log(); }
  [[nodiscard]] const DecisionEngine& engine() const { return journalled_.engine(); }
  [[nodiscard]] const HealthCounters& counters() const { return counters_; }
  /// The sources' states by their names: "ok", or what is wrong.
  [[nodiscard]] const std::map<std::string, std::string>& sources() const {
    return journalled_.sources();
  }
  [[nodiscard]] Ms now() const { return journalled_.now(); }
  /// Notified when there are new events.
  Signal& changed() { return journalled_.changed(); }
  [[nodiscard]] bool is_usable(std::string_view device) const {
    return engine().incidents().is_usable(device);
  }

 private:
  [[nodiscard]] SourceCoverage coverage() const;
  void set_cordon(const CordonOrder& order);
  void close_all(const std::vector<CordonOrder>& cordons);
  asio::awaitable<void> drive();
  [[nodiscard]] std::vector<HostJob> host_jobs();

  const HealthContext context_;
  HealthCounters counters_;
  JournalledEngine journalled_;
  const HealthScope scope_{context_, journalled_, counters_};
  NvmlDevices nvml_;
  KernelLogSource kernel_log_;
  Probes probes_;
  Webhooks webhooks_;
  Mover mover_;
};

}  // namespace cardswap::health
