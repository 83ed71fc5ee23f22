#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/health/decisions/event_buffer.h"
#include "agent/health/decisions/fault_history.h"
#include "agent/health/decisions/guards.h"
#include "agent/health/decisions/incident_list.h"

namespace cardswap::health {

/// A job as the engine sees it.
struct HostJob {
  std::string name;
  std::string uid;
  std::string device;
  int pid = 0;
  Ms arrived = 0;       ///< when a migration brought it; 0: it was started here
  std::string why_not;  ///< why it cannot move now; empty: it can
};

/// What the driver is to do.
struct Move {
  std::uint64_t incident = 0;
  std::string job;
  std::string job_uid;
  std::string device;  ///< the device that it runs on
  std::string code;
  std::string reason;     ///< for people
  bool deadline = false;  ///< true: the source may hang, so give up early
  bool leave_host = false;
  bool dry_run = false;  ///< observe mode: find its target and report it, move nothing
};
/// A cordon that is to be set.
struct CordonOrder {
  std::uint64_t incident = 0;
  std::string device;
  std::string reason;
  bool dry_run = false;
};
/// What is due.
struct Plan {
  std::vector<CordonOrder> cordons;
  std::vector<Move> moves;
};

/// Takes findings, returns actions. Pure: no clock, no I/O. Each decision, each delay and, in
/// observe mode, each action that would follow is an event; the engine logs it once.
class DecisionEngine {
 public:
  DecisionEngine(Policy policy, std::vector<DeviceName> devices);
  DecisionEngine(const DecisionEngine&) = delete;
  DecisionEngine& operator=(const DecisionEngine&) = delete;

  void observe(const Finding& finding);
  /// Decides what is due at `now`. A move in the plan counts as started.
  [[nodiscard]] Plan plan(Ms now, const std::vector<HostJob>& jobs);
  void move_ended(std::uint64_t incident, const std::string& job_uid, bool moved, Ms now);
  /// Notes that no device fits, so that the job waits. This is not a failed move and uses no
  /// budget.
  void not_placed(const Move& move, const std::string& why, Ms now);
  /// Reports that the plan's cordons for the incident are set, or that one failed (`failure`): a
  /// later plan has them again.
  void cordoned(std::uint64_t incident, Ms now);
  void cordon_failed(std::uint64_t incident, const std::string& failure, Ms now);
  /// Replaces the policy. Judges open faults anew: actions that the former policy only logged are
  /// taken now, or logged again.
  void use(Policy policy, std::vector<DeviceName> devices, Ms now);
  /// Drops the findings of probes that the policy does not have.
  void forget_probes(Ms now);
  /// Drops the incidents of a device (or kHost, or "all") that an operator declares healthy.
  /// Returns how many.
  std::size_t clear(const std::string& device, const std::string& reason, Ms now,
                    const std::string& by = {});
  void close_breaker(const std::string& reason, Ms now, const std::string& by = {});
  /// Takes over from a former agent: an open fault, and the moves that it had made.
  void restore(Incident incident) { incidents_.restore(std::move(incident)); }
  void restore_guards(const boost::json::object& record, Ms now);
  /// Ends a move that a former agent began and that no longer runs.
  void forget_move(const std::string& job_uid);
  /// Learns how the outside calls one of the devices.
  void learn(const std::string& device, const std::string& uuid, const std::string& pci);

  void emit_event(Event event);
  [[nodiscard]] std::vector<Event> take_events() { return events_.take(); }
  void put_back(std::vector<Event> taken) { events_.put_back(std::move(taken)); }
  [[nodiscard]] const IncidentList& incidents() const { return incidents_; }
  /// Whether incidents began, changed or ended since the last call.
  [[nodiscard]] bool take_changed();
  [[nodiscard]] const Guards& guards() const { return guards_; }
  [[nodiscard]] const Policy& policy() const { return policy_; }
  [[nodiscard]] const std::vector<DeviceName>& devices() const { return devices_; }

 private:
  Incident* begin(const Finding& finding, const std::string& code);
  void judge(Incident& incident, const Finding& finding, const std::vector<Ms>& times);
  void explain(const Finding& finding, const std::string& code);
  void settle(Incident& incident, const Finding& finding);
  void note(const Finding& finding);
  void advance(Ms now);
  void check_breaker(Ms now);
  void cordon(Incident& incident, Plan& plan, Ms now);
  void move_jobs(Incident& incident, const std::vector<HostJob>& jobs, Plan& plan, Ms now);
  [[nodiscard]] bool concerns(const Incident& incident, const HostJob& job) const;
  [[nodiscard]] std::string forbids(const HostJob& job, const std::vector<HostJob>& jobs) const;
  [[nodiscard]] std::string waits(const Incident& incident, const HostJob& job, Ms now) const;
  void once(Incident& incident, const std::string& kind, const HostJob& job, std::string text,
            Ms now);
  void emit_event(const Incident& incident, const std::string& kind, std::string text, Ms now,
                  const std::string& job = {});

  Policy policy_;
  std::vector<DeviceName> devices_;
  Guards guards_{policy_};
  IncidentList incidents_;
  FaultHistory history_;
  EventBuffer events_;
  bool changed_ = false;
  bool full_ = false;
  bool hears_alert_ = false;  // the finding that is observed now is one
  bool breaker_reported_ = false;
};

}  // namespace cardswap::health
