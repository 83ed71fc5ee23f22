#pragma once

#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservation_cancel.h"
#include "agent/handover/target/reservation_check.h"
#include "agent/handover/target/reservation_list.h"
#include "agent/handover/target/reservation_task.h"
#include "agent/jobs/cordon.h"

namespace cardswap {

/// Whether a process that failed is this host's to start again. `brought_by`: by which it came;
/// null: it began here, or that is not known any more.
[[nodiscard]] bool may_restart(const Instance& instance, const Reservation* brought_by);

/// The door to the places of jobs that arrive here. Sources, operators, standbys and the kernel
/// speak to it, and it passes each word on to the right place.
///
/// Behind it, ReservationList keeps the places, ReservationCheck finds out whether there may be a
/// new one, and a ReservationTask works on each, with a SourceLink to its source. Callers read the
/// places that it shows, and ask here for every change. Owned by the agent; one thread. A caller
/// that waits looks its place up again.
class Reservations {
 public:
  /// A source gives up after two minutes.
  static constexpr std::chrono::milliseconds kParkMax = std::chrono::minutes(5);

  /// `cordons`: what takes no jobs now. `migrations`: those of this host. `park_max`: how long a
  /// standby may take to park; what it reserves is not another agent's to keep.
  Reservations(const HandoverContext& context, const Cordons& cordons, const Migrations& migrations,
               std::chrono::milliseconds park_max = kParkMax);

  /// Reads what a former agent left; first, for keeps().
  void load() { list_.load(); }
  /// Goes on from there, once the jobs are known.
  void resume_after_restart();
  [[nodiscard]] bool survives_restart(const Instance& standby) const;

  using HostInspection = ReservationCheck::HostInspection;
  /// ReservationCheck::inspect_here().
  [[nodiscard]] asio::awaitable<HostInspection> inspect_here(ReservationRequest wanted,
                                                             Caller caller) const {
    return check_.inspect_here(std::move(wanted), std::move(caller));
  }
  /// A place, unless it is a dry run or something stands against it. `seen`: what inspect_here()
  /// has found for this request. Returns when the standby's program runs; its owner may hold that
  /// up for some seconds. Throws Error{conflict}: that migration has one, or leaves this host.
  [[nodiscard]] asio::awaitable<Offer> reserve(ReservationRequest wanted, Caller caller,
                                               ListenAddress address, HostInspection seen);

  [[nodiscard]] bool has(const std::string& migration) const { return list_.has(migration); }
  /// Throws Error{not_found}.
  [[nodiscard]] const Reservation& at(const std::string& migration) const {
    return list_.at(migration);
  }
  /// ReservationList::at(): for its owner only.
  [[nodiscard]] const Reservation& at(const std::string& migration, const Caller& caller) const {
    return list_.at(migration, caller);
  }
  [[nodiscard]] const std::list<Reservation>& all() const { return list_.all(); }
  [[nodiscard]] const ReservationList& list() const { return list_; }
  /// The reservation that brought `instance`; or null.
  [[nodiscard]] const Reservation* find(const Instance& instance) const {
    return list_.find(instance);
  }
  /// Notified of each change of `r`, which is one of them, and not forgotten while somebody waits.
  [[nodiscard]] Signal& changed(const Reservation& r) { return list_.changed(r); }

  /// Notes that the source's agent lives.
  void note_contact(const std::string& migration);
  /// ReservationTask::grant(), of the content with that digest.
  void grant(const std::string& migration, std::uint64_t epoch, const std::string& root,
             std::uint64_t step);
  /// ReservationTask::drop().
  asio::awaitable<void> drop(std::string migration, std::uint64_t epoch);
  /// The operator's word: force_reservation().
  asio::awaitable<void> force(std::string migration, OperatorDecision decision);
  /// Cancels for an operator of this host, by ReservationTask::cancel(). The source gives the
  /// migration up.
  asio::awaitable<void> cancel(std::string migration, std::string by);
  /// Throws Error{conflict} that says what to do instead.
  void check_cancel(const Reservation& r) const {
    cardswap::check_cancel(r, context_.config.host_name);
  }
  [[nodiscard]] bool may_restart(const Instance& instance) const;

  // from the runtimes and the kernel
  [[nodiscard]] channel::Welcome welcome(const Instance& standby);
  void on_message(Instance& standby, const channel::Message& message);
  void on_exit(Instance& standby);

 private:
  /// What works on `r`; it is made where there is none, and goes when `r` is forgotten.
  std::shared_ptr<ReservationTask> task_of(Reservation& r);
  [[nodiscard]] bool is_in_use(const Reservation& r) const;
  [[nodiscard]] bool is_granted(const Instance& standby) const;
  void end_copies();
  void forget_old();

  const HandoverContext context_;
  ReservationList list_;
  ReservationCheck check_;
  const std::chrono::milliseconds park_max_;
  std::map<std::string, std::shared_ptr<ReservationTask>> tasks_;  // by migration
};

}  // namespace cardswap
