#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/jobs/auto_interval.h"
#include "migrator/store/keep_rule.h"

namespace cardswap {

/// The bounds of a mean time between failures: who fails more often needs no snapshots, and no job
/// runs for longer.
inline constexpr std::chrono::milliseconds kMtbfMin{60'000};
inline constexpr std::chrono::milliseconds kMtbfMax{366LL * 86'400'000};

/// An order to take snapshots of a job again and again, without a request for each. It is a part of
/// the job's description, so it moves with the job.
struct Protection {
  std::uint64_t every_steps = 0;  ///< a snapshot at each multiple of it; or 0
  std::int64_t every_ms = 0;      ///< a snapshot at the latest this long after the last; or 0
  bool is_auto = false;           ///< neither: that long after the last as AutoInterval has it
  std::int64_t mtbf_ms = 0;       ///< is_auto: mean time between failures; 0: Config::mtbf
  std::string store;              ///< "file:/var/lib/cardswap/store", of the job's host
  store::KeepRule keep;           ///< of each branch; other snapshots are pruned
  std::int64_t grace_ms = 0;      ///< how long a pruned snapshot stays in the store's trash
};

/// What became of a job's protection on this host so far. It describes and decides when the next
/// snapshot is due; a copy of the job on another host begins with an empty one.
struct ProtectionNotes {
  std::uint64_t number = 0;  ///< the last snapshot in the store; 0: none since the order was given
  std::uint64_t step = 0;    ///< of that snapshot
  std::int64_t at_ms = 0;    ///< when it was in the store; Unix time
  std::uint32_t restarts = 0;  ///< Job::restarts at that time
  std::uint64_t taken = 0;     ///< snapshots that this order has taken
  std::uint64_t failed = 0;    ///< tries that came to nothing
  std::uint32_t failures_in_a_row = 0;
  std::int64_t retry_at_ms = 0;  ///< no try is made before; Unix time
  std::string error;             ///< of the last try, if it failed; or empty
  std::string hint;              ///< what to do about it
  std::string prune_error;       ///< of the last prune, if it removed nothing; or empty
  /// The order was given on this host, or an event has told that it came with the job.
  bool arrival_told = false;
  AutoInterval interval;  ///< in force where the order is_auto
};

/// The order as requests, the journal and other agents have it.
[[nodiscard]] boost::json::object to_json(const Protection& protection);
/// Reads the `protection` of a job's description. Nullopt: the field is missing or null. Throws
/// Error{bad_request} for an order that cannot be carried out.
[[nodiscard]] std::optional<Protection> protection_in(const boost::json::object& from);

/// The notes as the journal has them.
[[nodiscard]] boost::json::object to_journal(const ProtectionNotes& notes);
/// Reads to_journal(); what is missing stays at its default. Throws Error{corrupt}.
[[nodiscard]] ProtectionNotes protection_notes_from_journal(const boost::json::object& record);

/// An order and its notes as the API shows them with the job: `interval` is null unless the order
/// is_auto and its interval is planned.
[[nodiscard]] boost::json::object to_json(const Protection& protection,
                                          const ProtectionNotes& notes);

}  // namespace cardswap
