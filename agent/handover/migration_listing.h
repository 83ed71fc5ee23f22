#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "agent/handover/source/migration.h"
#include "agent/handover/target/reservation.h"

namespace cardswap {

/// What a caller wants listed. Without `before`, the list also has every migration that has not
/// ended and, unless `running`, every one whose other side must still hear of its end: `limit` and
/// `bytes` leave none of them out.
struct ListingOptions {
  static constexpr std::size_t kLimit = 500;
  static constexpr std::size_t kLimitMax = 5000;
  /// The bound of an answer: a client reads 4 MiB at most.
  static constexpr std::size_t kBytesMax = 3U << 20;

  bool running = false;        ///< leave out all that ended, pending notices or not
  bool incoming = false;       ///< list migrations to this host too
  std::size_t limit = kLimit;  ///< how many ended migrations at most
  std::string before;  ///< an id: only migrations that ended before that one; empty: no such bound
  /// The size in JSON above which no further ended migration is added; the first one always is.
  std::size_t bytes = kBytesMax;
};

/// {"migrations": [...], "left_out": N}: migrations that have not ended, then ended ones, newest
/// first; N ended ones are older than those listed. `of_ranks` are moves of ranks as the API shows
/// them; they count as migrations. `incoming_json` gives a reservation's JSON.
/// Throws Error{not_found} if no ended migration has the id `before`.
[[nodiscard]] boost::json::object list_migrations(
    const std::list<Migration>& migrations, const std::list<Reservation>& reservations,
    const std::vector<boost::json::object>& of_ranks,
    const std::function<boost::json::object(const Reservation&)>& incoming_json,
    const ListingOptions& listing);

}  // namespace cardswap
