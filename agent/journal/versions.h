#pragma once

#include <boost/json/object.hpp>
#include <string_view>

/// How records of earlier versions of the journal become those of the present one.
namespace cardswap {

/// The version that this agent writes. Version 1 had a list of the allowed kinds in its table.
/// Version 2 had a job and its one process in one flat record, and a migration and the one process
/// that it moves in another. Version 3 had no gangs and no ranks of gangs: an agent that does not
/// know these would let ranks go on that have promised to wait, so it must not read the file.
inline constexpr int kJournalVersion = 4;

/// Makes a record of version 3 from one of version 2: the fields of a job's process move into
/// "instances", those of a migration's process into "transfers". Keeps every field, unknown ones
/// too.
[[nodiscard]] boost::json::object from_version_2(std::string_view kind, boost::json::object record);

}  // namespace cardswap
