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
#include "agent/security/access.h"

namespace cardswap {

/// Whether this host may start a failed process again. `brought_by`: the reservation by which it
/// came. Null: it began here, or its reservation was forgotten.
[[nodiscard]] bool may_restart(const Instance& instance, const Reservation* brought_by);

/// The facade of the reservations for jobs that arrive here. It passes each request of a source or
/// an operator, and each message or exit of a standby, on to the right reservation.
///
/// Behind it, ReservationList keeps the reservations, ReservationCheck finds out whether a new one
/// may be made, and a ReservationTask works on each, with a SourceCourier to its source. Callers
/// may read a Reservation, and change it only through this class. Owned by the agent; one thread. A
/// caller that waits looks its reservation up again afterwards. A function that takes a migration's
/// id throws Error{not_found} for an unknown one.
class Reservations {
 public:
  /// More than the two minutes after which a source gives up.
  static constexpr std::chrono::milliseconds kParkMax = std::chrono::minutes(5);

  /// All references must outlive it. `cordons`: devices that take no jobs now. `migrations`: the
  /// migrations from this host. `park_max`: how long a standby may take to park, so that another
  /// agent cannot hold a device for ever.
  Reservations(const HandoverContext& context, const Cordons& cordons, const Migrations& migrations,
               std::chrono::milliseconds park_max = kParkMax);

  /// Reads the records that a former agent left. Call it first: survives_restart() needs it.
  void load() { list_.load(); }
  /// Goes on with those reservations, once the jobs are loaded. Throws Error{io, corrupt}.
  void take_up_after_restart();
  /// Whether a standby that a former agent left is not to be ended when the jobs are loaded: it was
  /// granted the job, or it is a restored process, which take_up_after_restart() ends.
  [[nodiscard]] bool survives_restart(const Instance& standby) const;

  using HostInspection = ReservationCheck::HostInspection;
  /// ReservationCheck::inspect_here().
  [[nodiscard]] asio::awaitable<HostInspection> inspect_here(ReservationRequest wanted,
                                                             Caller caller) const {
    return check_.inspect_here(std::move(wanted), std::move(caller));
  }
  /// Makes a reservation, unless it is a dry run or there is an obstacle: the Offer says why.
  /// `seen`: the result of inspect_here() for this request. Returns when the standby's program
  /// runs; the job's user may delay that by some seconds (a slow file system). Throws
  /// Error{conflict} if the migration has a reservation already, or leaves this host for another
  /// one; Error{io, corrupt} if the disk refuses; Error{bad_request} for `process` that cannot be
  /// read.
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
  /// The reservation by which `instance` came. Null: there is none.
  [[nodiscard]] const Reservation* find(const Instance& instance) const {
    return list_.find(instance);
  }
  /// Notified of each change of `r`, a reservation of this class. `r` is not forgotten while
  /// somebody waits for it.
  [[nodiscard]] Signal& changed(const Reservation& r) { return list_.changed(r); }

  /// Notes that the source's agent has called: it is not silent.
  void note_contact(const std::string& migration);
  /// ReservationTask::grant().
  void grant(const std::string& migration, std::uint64_t epoch, const handover::Content& content);
  /// ReservationTask::drop().
  asio::awaitable<void> drop(std::string migration, std::uint64_t epoch);
  /// force_reservation(): an operator's decision about a job that arrives.
  asio::awaitable<void> force(std::string migration, OperatorDecision decision);
  /// ReservationTask::cancel() for the operator `by` of this host. The source then gives the
  /// migration up.
  asio::awaitable<void> cancel(std::string migration, std::string by);
  /// cardswap::check_cancel() on this host.
  void check_cancel(const Reservation& r) const {
    cardswap::check_cancel(r, context_.config.host_name);
  }
  [[nodiscard]] bool may_restart(const Instance& instance) const;

  // From the runtimes and the kernel. on_message() and on_exit() throw as StandbyEvents do.
  [[nodiscard]] channel::Welcome welcome(const Instance& standby);
  void on_message(Instance& standby, const channel::Message& message);
  void on_exit(Instance& standby);

 private:
  /// The task of `r`; made if there is none, and erased when `r` is forgotten.
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
