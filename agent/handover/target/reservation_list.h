#pragma once

#include <algorithm>
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"
#include "agent/handover/base/record_list.h"
#include "agent/handover/target/reservation.h"
#include "agent/security/access.h"

namespace cardswap {

/// What RecordList has to know of a reservation.
struct ReservationTraits {
  static constexpr auto kKind = Journal::Kind::reservation;
  static constexpr std::string_view kName = "reservation";
  static const std::string& id_of(const Reservation& r) { return r.migration(); }
  /// The standby, once there is one.
  static std::vector<std::string> instances_of(const Reservation& r);
  static bool is_needed(const Reservation& r) {
    return !is_over(r.state()) || r.has_pending_notice();
  }
  /// One of a release that kept no times is as old as can be.
  static std::int64_t ended_at_ms(const Reservation& r) {
    return std::max<std::int64_t>(r.record().ended_at_ms, 1);
  }
  /// Who may ask for many that come to nothing.
  static std::string_view maker_of(const Reservation& r) {
    return r.state() == handover::TargetState::failed ? r.record().owner : std::string_view();
  }
};

/// Keeps the places that this host holds, or held, for jobs on their way in (RecordList).
///
/// It knows no peer and no standby. A place is in use while its job lives here, too. A task may
/// hold on to the place that it works on; any other caller looks its place up again after each
/// wait. Owned by Reservations; one thread. Throws Error{io} when the disk refuses.
class ReservationList : public RecordList<Reservation, ReservationTraits> {
 public:
  ReservationList(const Config& config, Journal& journal, Callbacks callbacks)
      : RecordList(journal, std::move(callbacks)), config_(config) {}

  /// Reads what a former agent left; once.
  void load();
  /// Adds a reservation in memory only: its first state is what is recorded first.
  Reservation& add(Reservation made) { return insert(std::move(made)); }
  /// Forgets one of which nothing is on disk.
  void remove(const Reservation& r) { drop(r); }
  /// Notes which process is the standby of `r`: once, before its first record.
  void set_instance(Reservation& r, const std::string& instance);

  /// Throws Error{not_found}.
  [[nodiscard]] Reservation& at(const std::string& migration) { return found(migration); }
  [[nodiscard]] const Reservation& at(const std::string& migration) const {
    return found(migration);
  }
  /// The reservation for its owner only: to everybody else's certificate there is no such thing.
  [[nodiscard]] const Reservation& at(const std::string& migration, const Caller& caller) const;
  /// What brought `instance`; or null.
  [[nodiscard]] Reservation* find(const Instance& instance) { return first_of(instance.id()); }
  [[nodiscard]] const Reservation* find(const Instance& instance) const {
    return first_of(instance.id());
  }

  /// Changes what only tells how it goes: in memory now, on disk with the next record.
  template <std::invocable<ReservationNotes&> Change>
  auto note(Reservation& r, Change change) {
    return change(static_cast<ReservationNotes&>(r.record_));
  }
  /// Throws the disk's refusal.
  void save(const ReservationRecord& r) { put(r.migration, to_journal(r)); }

 private:
  [[nodiscard]] Reservation& found(const std::string& migration) const;

  const Config& config_;
};

}  // namespace cardswap
