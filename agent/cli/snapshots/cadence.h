#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "migrator/store/keep_rule.h"

namespace cardswap::cli {

/// How often a protected job's snapshot is taken: by steps, by time, as often as its cost makes
/// worth while, or not at all.
struct Cadence {
  std::uint64_t steps = 0;            ///< 0: not by steps
  std::chrono::milliseconds time{0};  ///< 0: not by time
  bool is_auto = false;               ///< the agent chooses a time, by what a snapshot costs
  [[nodiscard]] bool is_off() const { return steps == 0 && time.count() == 0 && !is_auto; }
};

/// How long a snapshot that a protection gives up stays in the store's trash unless somebody says
/// otherwise: longer than most reads of it take, because who reads a store puts no intent there.
inline constexpr const char* kProtectGrace = "10m";

/// Reads "100" (steps), "10m" (a time of a second or more), "auto" or "off". Throws
/// Error{bad_request}.
[[nodiscard]] Cadence cadence_from(std::string_view text);

/// The gradient log that is kept between snapshots.
struct LogOptions {
  std::string mode = "off";  ///< off, async, sync
  std::string window;        ///< "200steps,50GiB", either part alone, or empty: no limit
};
/// Adds a log to the body of protection_body(). Throws Error{bad_request} for a window that is none
/// or goes with no log.
void add_log(boost::json::object& body, const LogOptions& options);

/// What an agent is sent to protect a job in `store`; `cadence` is not off. `mtbf`: the mean time
/// between failures by which the agent chooses an automatic interval; empty: its own. Throws
/// Error{bad_request} if `grace` or `mtbf` is no time, or `mtbf` is given for another cadence.
[[nodiscard]] boost::json::object protection_body(const std::string& store, const Cadence& cadence,
                                                  const store::KeepRule& keep = {},
                                                  const std::string& grace = kProtectGrace,
                                                  const std::string& mtbf = {});

}  // namespace cardswap::cli
