#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/base/agent_event.h"
#include "agent/health/health_context.h"
#include "agent/health/mover.h"
#include "agent/health/sources/kernel_log_source.h"
#include "agent/health/sources/nvml_source.h"
#include "agent/health/sources/probes.h"
#include "agent/health/sources/source_coverage.h"
#include "agent/health/sources/source_scope.h"
#include "agent/health/sources/webhooks.h"

namespace cardswap::health {

/// Keeps jobs away from sick devices. Sources report findings, the decision engine decides, and the
/// monitor carries out what was decided; in observe mode it only logs that. Every event is in the
/// journal. One thread, the agent's; sources and moves are tasks of the context's group.
class Monitor {
 public:
  /// Reads the policy, and what a former agent left in the journal. Throws Error{bad_request}
  /// naming the policy's line, Error{io, refused} if the policy's file cannot be read or others may
  /// write to it, and what EventLog throws.
  explicit Monitor(const HealthContext& context);

  /// Starts the sources, and follows the moves that a former agent began. Call it once.
  void start();
  /// Reads the policy's file again. If it cannot be used, an event says so, and the present policy
  /// stays.
  void read_policy_again();

  /// Adds an event of another part of the agent to the list. It is on disk as soon as the disk
  /// accepts it; a failure is logged, not thrown.
  void note(const AgentEvent& event);
  /// Carries out an operator's decision: the faults of `device` (or of kHost, or "all") are over.
  /// Throws Error{not_found} if this agent has no such device.
  void clear(const std::string& device, const std::string& reason, const std::string& by);
  /// Carries out an operator's decision: moves may start again.
  void close_breaker(const std::string& reason, const std::string& by);
  [[nodiscard]] Webhooks& webhooks() { return webhooks_; }

  /// The answer to GET /v1/health.
  [[nodiscard]] boost::json::object status() const;
  [[nodiscard]] const EventLog& events() const { return journalled_.log(); }
  [[nodiscard]] const DecisionEngine& engine() const { return journalled_.engine(); }
  [[nodiscard]] const HealthCounters& counters() const { return counters_; }
  /// The state of each source: "ok", "off", or what is wrong.
  [[nodiscard]] const std::map<std::string, std::string>& sources() const {
    return journalled_.sources();
  }
  /// The time of the monitor's clock.
  [[nodiscard]] Ms now() const { return journalled_.now(); }
  /// Notified when new events are on disk.
  Signal& changed() { return journalled_.changed(); }
  /// Whether a job may be placed on the device: no open fault closes it.
  [[nodiscard]] bool is_usable(std::string_view device) const {
    return engine().incidents().is_usable(device);
  }

 private:
  /// Which faults of which devices no source would see now.
  [[nodiscard]] SourceCoverage coverage() const;
  /// Sets the cordon; one that is set already stays, with its reason.
  void set_cordon(const CordonOrder& order);
  /// Sets the cordons of a plan, and tells the engine for which incidents that worked.
  void close_all(const std::vector<CordonOrder>& cordons);
  /// Has the engine plan again and again, and its plans carried out.
  asio::awaitable<void> drive();
  /// The jobs of this host that may have to leave their devices, as the engine sees them.
  [[nodiscard]] std::vector<HostJob> host_jobs();
  void note_ranks(const Instance& instance, HostJob& known) const;

  const HealthContext context_;
  HealthCounters counters_;
  JournalledEngine journalled_;
  const SourceScope scope_{context_.io, context_.tasks, context_.config, journalled_, counters_};
  NvmlSource nvml_;
  KernelLogSource kernel_log_;
  Probes probes_;
  Webhooks webhooks_;
  Mover mover_;
};

}  // namespace cardswap::health
