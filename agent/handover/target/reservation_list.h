#pragma once

#include <functional>
#include <list>
#include <string>
#include <unordered_map>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/handover/target/reservation.h"
#include "agent/journal/journal.h"
#include "agent/security/access.h"

namespace cardswap {

/// Keeps the places that this host holds, or held, for jobs on their way in, in memory and in the
/// journal.
///
/// Knows no peer and no standby. Those that are over are forgotten by count and age (retention.h),
/// here and in the journal, but not while a task works on one, nor while the job that came by it
/// lives here; until then an address stays what it is. A caller that waits and is no such task
/// looks its one up again. Owned by Reservations; one thread. What the disk refuses is an
/// Error{io}.
class ReservationList {
 public:
  /// What the list asks those around it, and tells them.
  struct Callbacks {
    /// Whether a task, or the job that came by it, uses it.
    std::function<bool(const Reservation&)> is_in_use;
    std::function<void(const Reservation&)>
        forgetting;  ///< one that is over, before it is forgotten
  };
  ReservationList(asio::io_context& context, const Config& config, Journal& journal,
                  Callbacks callbacks);

  /// Reads what a former agent left; once.
  void load();
  /// Adds a reservation in memory only: its first state is what is recorded first.
  Reservation& add(Reservation made);
  /// Forgets one of which nothing is on disk.
  void remove(const Reservation& r);
  /// Notes which process is the standby of `r`: once, before its first record.
  void set_instance(Reservation& r, const std::string& instance);

  [[nodiscard]] bool has(const std::string& migration) const;
  /// Throws Error{not_found}.
  [[nodiscard]] Reservation& at(const std::string& migration) { return found(migration); }
  [[nodiscard]] const Reservation& at(const std::string& migration) const {
    return found(migration);
  }
  /// The reservation for its owner only: to everybody else's certificate there is no such thing.
  [[nodiscard]] const Reservation& at(const std::string& migration, const Caller& caller) const;
  /// What brought `instance`; or null.
  [[nodiscard]] Reservation* find(const Instance& instance);
  [[nodiscard]] const Reservation* find(const Instance& instance) const;
  [[nodiscard]] const std::list<Reservation>& all() const { return reservations_; }
  [[nodiscard]] std::list<Reservation>& all() { return reservations_; }

  /// Throws the disk's refusal.
  void save(const ReservationRecord& r);
  /// Something of it has changed: whoever waits for that looks again.
  void touch(Reservation& r);
  /// Notified of each change of any of them.
  [[nodiscard]] Signal& changed() { return changed_; }

  void forget_old();

 private:
  [[nodiscard]] Reservation& found(const std::string& migration) const;
  void drop_from_indices(const Reservation& r);

  const Config& config_;
  Journal& journal_;
  Callbacks callbacks_;
  Signal changed_;
  std::list<Reservation> reservations_;  // addresses are stable until forgotten
  // What is asked at each event and each look, of thousands: found, not searched for.
  std::unordered_map<std::string, Reservation*> by_migration_;
  std::unordered_map<std::string, Reservation*> by_instance_;
};

}  // namespace cardswap
