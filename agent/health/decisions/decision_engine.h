#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/health/decisions/event_buffer.h"
#include "agent/health/decisions/fault_history.h"
#include "agent/health/decisions/guards.h"
#include "agent/health/decisions/incident_list.h"

namespace cardswap::health {

/// A job of this host as the engine sees it.
struct HostJob {
  std::string name;
  std::string uid;
  std::string device;
  int pid = 0;
  Ms arrived = 0;             ///< when a migration brought it; 0: it was started here
  std::string why_not;        ///< why it cannot move now; empty: it can
  bool has_snapshot = false;  ///< its agent knows one from which it can go on
  Ms failed_at = 0;           ///< it has ended so, unasked; 0: it lives
};

/// A move that is to be carried out.
struct Move {
  std::uint64_t incident = 0;
  std::string job;
  std::string job_uid;
  std::string device;  ///< the device that it runs on
  std::string code;
  std::string reason;  ///< for people
  /// Whether the source may hang: the migration then gets Policy::deadline as its timeout.
  bool is_urgent = false;
  bool leave_host = false;  ///< only targets on other hosts
  bool dry_run = false;     ///< observe mode: a target is looked for and reported, and no job moves
  /// Whether nothing is copied: the job is ended, and goes on from its newest snapshot.
  bool from_snapshot = false;
};
/// A cordon that is to be set.
struct CordonOrder {
  std::uint64_t incident = 0;
  std::string device;
  std::string reason;
  bool dry_run = false;  ///< observe mode: it is not set
};
/// What is to be done now.
struct Plan {
  std::vector<CordonOrder> cordons;
  std::vector<Move> moves;
};

/// Decides from findings which devices are cordoned and which jobs move.
/// Each decision, each delay and, in observe mode, each action that would be taken becomes an
/// event, once. No clock, no I/O; one thread.
class DecisionEngine {
 public:
  DecisionEngine(Policy policy, std::vector<DeviceName> devices);
  DecisionEngine(const DecisionEngine&) = delete;
  DecisionEngine& operator=(const DecisionEngine&) = delete;

  /// Takes a finding of a source, at the time that it has.
  void observe(const Finding& finding);
  /// Decides what is to be done at `now`. A move in the plan counts as started: each ends with
  /// note_move_ended(), note_not_placed() or forget_move(); in a dry run with none of them.
  [[nodiscard]] Plan plan(Ms now, const std::vector<HostJob>& jobs);
  /// Notes how a move of the plan ended. One that failed is tried again later, up to Policy::tries.
  void note_move_ended(std::uint64_t incident, const std::string& job_uid, bool moved, Ms now);
  /// Notes that no device fits, so that the job waits. It does not count as a failed move and uses
  /// no budget.
  void note_not_placed(const Move& move, const std::string& why, Ms now);
  /// Notes that the plan's cordons for the incident are set, or that one of them failed because of
  /// `failure`: a later plan then has them again.
  void note_cordoned(std::uint64_t incident, Ms now);
  void note_cordon_failed(std::uint64_t incident, const std::string& failure, Ms now);
  /// Replaces the policy and judges the open faults by it. Actions that the former policy only
  /// logged are now taken, or logged again.
  void use(Policy policy, std::vector<DeviceName> devices, Ms now);
  /// Ends the incidents of probes that the policy does not have.
  void forget_probes(Ms now);
  /// Ends the incidents of a device (or of kHost, or "all") that an operator declares healthy.
  /// Returns how many.
  std::size_t clear(const std::string& device, const std::string& reason, Ms now,
                    const std::string& by = {});
  /// Closes the circuit breaker at once; does nothing if it is closed.
  void close_breaker(const std::string& reason, Ms now, const std::string& by = {});
  /// Takes over from a former agent: an open fault, and the record of the guards.
  void restore(Incident incident) { incidents_.restore(std::move(incident)); }
  void restore_guards(const boost::json::object& record, Ms now);
  /// Frees the place of a move whose end is not known.
  void forget_move(const std::string& job_uid);
  /// Sets the UUID and PCI address of a device.
  void learn(const std::string& device, const std::string& uuid, const std::string& pci);

  /// Adds an event to those that take_events() returns.
  void emit_event(HealthEvent event);
  /// The events since the last call; the caller writes them, or gives them back with put_back().
  [[nodiscard]] std::vector<HealthEvent> take_events() { return events_.take(); }
  void put_back(std::vector<HealthEvent> taken) { events_.put_back(std::move(taken)); }
  [[nodiscard]] const IncidentList& incidents() const { return incidents_; }
  /// Whether open faults or guards have changed since the last call.
  [[nodiscard]] bool take_changed();
  [[nodiscard]] const Guards& guards() const { return guards_; }
  [[nodiscard]] const Policy& policy() const { return policy_; }
  [[nodiscard]] const std::vector<DeviceName>& devices() const { return devices_; }

 private:
  /// Opens an incident. Null: there are too many, which an event tells once.
  Incident* begin(const Finding& finding, const std::string& code);
  /// Judges an incident anew by the policy: it may become more urgent, never less. `times`: when
  /// its code was seen of late.
  void judge(Incident& incident, const Finding& finding, const std::vector<Ms>& times);
  /// Ends the incidents that wait and of which `code` says more exactly what they were.
  void explain(const Finding& finding, const std::string& code);
  /// Takes the word of a source that the fault is over; it counts when the last one says so.
  void update(Incident& incident, const Finding& finding);
  /// Does what observe() promises, for a finding of any source.
  void note(const Finding& finding);
  /// Moves incidents on as time passes: from waiting to active, and to their end.
  void advance(Ms now);
  /// Opens and closes the circuit breaker.
  void check_breaker(Ms now);
  /// Adds the cordons that the incident asks for to the plan, once.
  void cordon(Incident& incident, Plan& plan, Ms now);
  /// Adds the moves of the incident's jobs that can start now to the plan.
  void move_jobs(Incident& incident, const std::vector<HostJob>& jobs, Plan& plan, Ms now);
  /// Whether the incident is a reason for the job to leave its device.
  [[nodiscard]] bool concerns(const Incident& incident, const HostJob& job) const;
  /// Whether the job's only way from its device is a snapshot, by this fault.
  [[nodiscard]] static bool needs_snapshot(const Incident& incident, const HostJob& job);
  /// Why it does not go on from a snapshot; empty: it does.
  [[nodiscard]] std::string why_no_recovery(const HostJob& job,
                                            const std::vector<HostJob>& jobs) const;
  /// Why the job must never be moved while these faults are open; empty: it may be.
  [[nodiscard]] std::string why_forbidden(const HostJob& job,
                                          const std::vector<HostJob>& jobs) const;
  /// Why the job is not moved now; empty: it is.
  [[nodiscard]] std::string why_waiting(const Incident& incident, const HostJob& job, Ms now) const;
  /// Emits the event unless the incident has already had the same one for this job.
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
  bool hears_alert_ = false;  // the finding that is observed now is an alert
  bool breaker_reported_ = false;
};

}  // namespace cardswap::health
