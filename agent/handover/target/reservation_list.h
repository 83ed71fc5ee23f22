#pragma once

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/handover/base/record_list.h"
#include "agent/handover/target/reservation.h"
#include "agent/security/access.h"

namespace cardswap {

/// Describes a reservation to RecordList.
struct ReservationTraits {
  static constexpr auto kKind = Journal::Kind::reservation;
  static constexpr std::string_view kName = "reservation";
  static const std::string& id_of(const Reservation& r) { return r.migration(); }
  /// The standby's instance; empty before there is one.
  static std::vector<std::string> instances_of(const Reservation& r);
  static bool is_needed(const Reservation& r) {
    return !is_over(r.state()) || r.has_pending_notice();
  }
  /// A record of an old release, which has no time, counts as the oldest (1).
  static std::int64_t ended_at_ms(const Reservation& r) {
    return std::max<std::int64_t>(r.record().ended_at_ms, 1);
  }
  /// Failed reservations are limited for each owner: an agent may ask for many of them.
  static std::string_view maker_of(const Reservation& r) {
    return r.state() == handover::TargetState::failed ? r.record().owner : std::string_view();
  }
};

/// Keeps the reservations of this host, running and ended ones (RecordList).
///
/// It knows no peer and no standby. A reservation is also kept while its job lives here. A task may
/// keep a reference to its reservation; any other caller looks its reservation up again after each
/// wait. `config` and `journal` must outlive it. Owned by Reservations; one thread. Throws
/// Error{io, corrupt} when the disk refuses.
class ReservationList : public RecordList<Reservation, ReservationTraits> {
 public:
  ReservationList(const Config& config, Journal& journal, Callbacks callbacks)
      : RecordList(journal, std::move(callbacks)), config_(config) {}

  /// Reads the records that a former agent left; call it once.
  void load();
  /// Adds a reservation in memory only: its first change of state writes its first record.
  Reservation& add(Reservation made) { return insert(std::move(made)); }
  /// Forgets a reservation that was never written to disk.
  void remove(const Reservation& r) { drop(r); }
  /// Sets the standby's instance of `r`; call it once. On disk with the next record.
  void set_instance(Reservation& r, const std::string& instance);

  /// Throws Error{not_found}.
  [[nodiscard]] const Reservation& at(const std::string& migration) const;
  [[nodiscard]] Reservation& at(const std::string& migration) {
    (void)std::as_const(*this).at(migration);
    return *find_by_id(migration);
  }
  /// The reservation, if `caller` is its owner by its certificate. Throws Error{not_found} to any
  /// other certificate, as if there were none.
  [[nodiscard]] const Reservation& at(const std::string& migration, const Caller& caller) const;
  /// The reservation by which `instance` came. Null: there is none.
  [[nodiscard]] Reservation* find(const Instance& instance) { return first_of(instance.id()); }
  [[nodiscard]] const Reservation* find(const Instance& instance) const {
    return first_of(instance.id());
  }

  /// Calls `change` with the fields that only describe progress, and returns its result: in memory
  /// at once, on disk with the next record.
  template <std::invocable<ReservationNotes&> Change>
  auto note(Reservation& r, Change change) {
    return change(static_cast<ReservationNotes&>(r.record_));
  }
  /// Returns when the reservation is in another state than `state` or forgotten, or at the
  /// deadline, without saying which. Throws when the coroutine is cancelled.
  asio::awaitable<void> wait_while(std::string migration, handover::TargetState state,
                                   std::chrono::steady_clock::time_point deadline);
  /// Writes `r` to disk.
  void save(const ReservationRecord& r) { put(r.migration, to_journal(r)); }

 private:
  const Config& config_;
};

}  // namespace cardswap
