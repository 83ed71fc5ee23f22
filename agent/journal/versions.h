#pragma once

#include <boost/json/object.hpp>
#include <string_view>

/// Records of earlier versions of the journal, brought to the one that this agent writes.
namespace cardswap {

/// Version 1 had a list of the kinds in its table; version 2 kept a job and its one process in one
/// flat record, and a migration and the one process that it moves in another.
inline constexpr int kJournalVersion = 3;

/// A record as version 2 has it, under the names of version 3: what is of a job's process is in the
/// record's "instances", what is of its move in a migration's "transfers". Loses nothing, also of
/// what it does not know.
[[nodiscard]] boost::json::object from_version_2(std::string_view kind, boost::json::object record);

}  // namespace cardswap
