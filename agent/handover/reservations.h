#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/attach/hub.h"
#include "agent/base/agent_event.h"
#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/criu/arrival.h"
#include "agent/criu/host.h"
#include "agent/handover/admission.h"
#include "agent/handover/data_plane.h"
#include "agent/handover/migrations.h"
#include "agent/handover/operators_word.h"
#include "agent/handover/parts.h"
#include "agent/handover/reservation.h"
#include "agent/handover/reservation_request.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// The jobs that arrive here. What follows from what is TargetSide's to say; this carries it out.
///
/// What is over is forgotten by count and age (retention.h), here and in the journal; not while a
/// task works on it, which holds its `in_use`, nor while the job that came by it lives here. A
/// caller that waits looks its one up again.
class Reservations {
 public:
  /// `cordons`: what takes no jobs now. `migrations`: those of this host, whose epochs count here
  /// too, and which may go from one of its devices to another.
  Reservations(const HandoverParts& parts, const Cordons& cordons, const Migrations& migrations);

  /// Until a standby has parked: what it reserves is not another agent's to keep. A source gives up
  /// after two minutes.
  std::chrono::milliseconds park_max = std::chrono::minutes(5);

  /// Reads what a former agent left; first, for keeps().
  void load();
  /// Goes on from there, once the jobs are known.
  void resume_after_restart();
  [[nodiscard]] bool keeps(const Instance& standby) const;

  /// What a look at this host found for a request.
  struct LookedAt {
    std::vector<std::string> missing;  ///< of what a process image needs
    std::optional<Error> no_start;     ///< why the program cannot be started
  };
  /// Looks beside the agent, as the job's user, for some seconds at most: at the program where it
  /// is to be started, and at the files of a process image where one may come here at all.
  [[nodiscard]] asio::awaitable<LookedAt> look_here(ReservationRequest wanted, Caller caller) const;
  /// A place, unless it is a dry run or something stands against it. `seen`: what look_here() has
  /// found for this request. Returns when the standby's program runs; its owner may hold that up
  /// for some seconds. Throws Error{conflict}: that migration has one, or leaves this host.
  [[nodiscard]] asio::awaitable<Offer> reserve(ReservationRequest wanted, Caller caller,
                                               DataAddress place, LookedAt seen);
  [[nodiscard]] bool has(const std::string& migration) const;
  [[nodiscard]] Reservation& at(const std::string& migration);
  /// The same, for its owner only: to everybody else's certificate there is no such thing.
  [[nodiscard]] Reservation& at(const std::string& migration, const Caller& caller);
  [[nodiscard]] const std::list<Reservation>& all() const { return reservations_; }
  /// Notes that the source's agent lives.
  void heard(const std::string& migration);
  /// Throws Error{digest_mismatch, not_found, conflict} where the job is not here now.
  void grant(const std::string& migration, std::uint64_t epoch, const std::string& root,
             std::uint64_t step);
  /// Given up by its source; under a higher epoch than the migration's (0: its own) the job goes on
  /// there by an operator's word, and what was granted here stands for good.
  /// Returns when nothing of it steps here. Throws Error{conflict} where the job is here.
  asio::awaitable<void> drop(std::string migration, std::uint64_t epoch);
  /// The operator's word; logged, journalled and told. The source is asked once more before the job
  /// is taken here. Throws Error{conflict} where it is too late, and, unless overruled, where the
  /// source says otherwise.
  asio::awaitable<void> force(std::string migration, OperatorsWord word);
  /// By an operator of this host, before the standby has verified the state; the source gives the
  /// migration up. Throws Error{conflict} later: its source may have decided.
  asio::awaitable<void> cancel(std::string migration, std::string by);
  /// Throws Error{conflict} that says what to do instead.
  void check_cancel(const Reservation& r) const;
  /// Whether a process that came by a migration, and failed, is this host's to start again.
  [[nodiscard]] bool may_restart(const Instance& instance) const;
  /// That brought `instance`; or none.
  [[nodiscard]] const Reservation* of(const Instance& instance) const;
  Signal& changed() { return changed_; }

  [[nodiscard]] channel::Welcome welcome(const Instance& standby);
  void on_message(Instance& standby, const channel::Message& message);
  void on_exit(Instance& standby);

 private:
  asio::awaitable<void> watch_source(std::string migration);
  /// Of a job that an operator took here: until its source knows.
  asio::awaitable<void> tell_source(std::string migration);
  struct SourceSays {
    handover::Message message;      ///< the decision
    handover::Epoch own_epoch = 0;  ///< under which its own trainer goes on
    bool stands = false;            ///< its own trainer is a copy that stands for good
  };
  /// `r` is in use by the caller. Throws where its agent does not answer, or gives none.
  asio::awaitable<SourceSays> ask_source(Reservation& r);
  void note_copy(Reservation& r, const std::string& copy);
  void call_source(Reservation& r);
  asio::awaitable<void> call_source(Reservation& r, std::shared_ptr<void> in_use);
  void miss_decision(Reservation& r, const Error& failed);
  void hear_decision(Reservation& r, const SourceSays& says);
  void hear_of_the_copy(Reservation& r, const SourceSays& says);

  // What follows from what: target_executor.cpp
  class Target;
  /// Throws the disk's refusal; then nothing of it has happened.
  void apply(Reservation& r, const handover::TargetSide& next, const handover::Effects& effects);
  void apply(Reservation& r, handover::TargetEvent event);
  void apply(Reservation& r, const handover::Message& message);
  void apply(Reservation& r, const handover::Content& verified);
  void fail(Reservation& r, handover::TargetEvent event, Error error);
  asio::awaitable<void> start_standby(std::string migration);
  void look_around(const ReservationRequest& wanted, const Caller& caller,
                   AdmissionRequest& asked) const;
  /// What stands against a process image here; the GPUs that it needs.
  std::vector<criu::NeededGpu> add_blocks(const ReservationRequest& wanted, const Caller& caller,
                                          std::vector<std::string> missing,
                                          Admission& admission) const;
  std::vector<std::string> prepare_arrival(Reservation& r);
  asio::awaitable<void> arrive(std::string migration);
  void look_at_files(Reservation& r, const Instance& standby);
  bool is_from_holder(Reservation& r, const channel::Message& message);
  void end_standby(const Reservation& r);
  void end_copies();
  [[nodiscard]] bool is_granted(const Instance& standby) const;
  void end_copy(const std::string& migration, const ProcessId& root, const ProcessId& init);
  asio::awaitable<void> end_restored(std::string migration, ProcessId root, ProcessId init);
  asio::awaitable<void> arrival_ended(std::string migration);
  void hear_first_steps(Reservation& r, const std::vector<double>& took_ms, bool over);
  void save(const Reservation& r);
  void forget_old();
  void keep_few_logs();
  void take_up_logs();
  [[nodiscard]] Reservation* of(const Instance& instance);

  asio::io_context& context_;
  TaskGroup& tasks_;
  const Config& config_;
  Journal& journal_;
  Jobs& jobs_;
  RuntimeHub& hub_;
  criu::Host& criu_;
  HandoverGate& handover_gate_;
  TellEvent tell_;
  const Cordons& cordons_;
  const Migrations& migrations_;
  Signal changed_;
  std::map<std::string, std::unique_ptr<criu::Arrival>> arrivals_;  // by migration
  std::set<std::string> ending_;         // migrations whose restored processes let their GPUs go
  std::list<Reservation> reservations_;  // addresses are stable until forgotten
};

}  // namespace cardswap
