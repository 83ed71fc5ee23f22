#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <string>

#include "agent/handover/source/migration.h"
#include "agent/handover/target/reservation.h"

namespace cardswap {

/// The migrations that a list shows. It always has those that have not ended, and those that
/// somebody must still be told of.
struct Listing {
  static constexpr std::size_t kLimit = 500;
  static constexpr std::size_t kLimitMax = 5000;
  /// The bound of an answer: a client reads 4 MiB at most.
  static constexpr std::size_t kBytesMax = 3U << 20;

  bool running = false;           ///< only what has not ended
  bool incoming = false;          ///< migrations to this host too
  std::size_t limit = kLimit;     ///< of what ended
  std::string before;             ///< only those that ended before this one; empty: all
  std::size_t bytes = kBytesMax;  ///< of JSON; what has not ended counts, and is not left out
};

/// {"migrations": [...], "left_out": N}: what has not ended, then what ended, newest first; N ended
/// ones are older than those. `incoming_json` shows a reservation. Throws Error{not_found} where
/// `before` is none of those that ended.
[[nodiscard]] boost::json::object list_migrations(
    const std::list<Migration>& migrations, const std::list<Reservation>& reservations,
    const std::function<boost::json::object(const Reservation&)>& incoming_json,
    const Listing& listing);

}  // namespace cardswap
