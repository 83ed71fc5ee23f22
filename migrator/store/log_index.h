#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "migrator/store/log_format.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"

/// Which steps the gradient log of a run of a job has.
namespace cardswap::store {

/// "logs/": no other objects of a store depend on what is there.
inline constexpr const char* kLogs = "logs/";

/// A segment of a run's log, as its name tells.
struct LogSegment {
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;  ///< its first step
  std::uint64_t last = 0;
  std::uint64_t bytes = 0;  ///< of the object; 0: not looked at
  auto operator<=>(const LogSegment&) const = default;
};

/// "logs/gpt/RUN/". Throws Error{bad_request} for what is no label.
[[nodiscard]] std::string log_prefix(const std::string& job, const std::string& run);
/// "logs/gpt/RUN/00000000000000000001/00000000000000000101-00000000000000000104".
[[nodiscard]] std::string log_name(const std::string& job, const std::string& run,
                                   const LogSegment& segment);
/// The segment of a name of log_name(). Nullopt: it is not such a name.
[[nodiscard]] std::optional<LogSegment> segment_in_name(const std::string& name);

/// Where a state came from that the log leads on from: a snapshot.
struct LogBase {
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;  ///< under which it was reached; segments of older ones lead elsewhere
};

/// A segment of which the steps up to `last` count; those before the base do not.
struct LogPart {
  LogSegment segment;
  std::uint64_t last = 0;
  bool operator==(const LogPart&) const = default;
};

/// The parts that together have each step from `base.step` + 1 on, without a gap, in order. What a
/// later epoch has taken again replaces what the earlier ones have of those steps and of all behind
/// them. Pure.
[[nodiscard]] std::vector<LogPart> parts_after(std::vector<LogSegment> segments,
                                               const LogBase& base);

/// The segments of a run that are of that branch, in the order of their names, with their sizes.
/// What has no segment's name, and epochs whose first segment cannot be read, are left out. Throws
/// what Store::list() and Store::size_of() throw.
[[nodiscard]] std::vector<LogSegment> log_segments(Store& in, const std::string& job,
                                                   const std::string& run,
                                                   const std::string& branch);

/// How far the log leads on from a snapshot.
struct LogReach {
  std::vector<LogPart> parts;   ///< those to read; the last one up to `step`
  std::uint64_t step = 0;       ///< the last step that can be proven; that of the base: none
  std::string damage;           ///< why it leads no further, where something is wrong; or empty
  bool has_new_layout = false;  ///< it leads no further because the state has other regions then
};

/// Reads the records that lead on from the snapshot `from`, on `branch`, up to `step_max`, and says
/// how far these lead: to the last one that has a root. Each head is checked; with `whole` each
/// byte is, which reads all of it. Damage ends it, and is told. Throws what the store throws where
/// it cannot be asked, and what get_manifest() throws.
[[nodiscard]] LogReach log_reach(Store& in, const Ref& from, const std::string& branch,
                                 std::uint64_t step_max, bool whole);

}  // namespace cardswap::store
