#pragma once

#include <boost/json/object.hpp>

#include "agent/gang/protocol/gang_side.h"
#include "agent/gang/protocol/rank_side.h"

/// The parts of the journal's records that decide: of a gang at its conductor, and of a rank at its
/// agent. The executors' records add what only tells how it goes.
namespace cardswap::gang {

[[nodiscard]] boost::json::object to_journal(const GangDurable& gang);
/// Reads to_journal(). Throws Error{corrupt} if a field cannot be read: no state stands for one
/// that is unknown.
[[nodiscard]] GangDurable gang_from_journal(const boost::json::object& record);

[[nodiscard]] boost::json::object to_journal(const RankDurable& rank);
/// Reads to_journal(). Throws Error{corrupt} as gang_from_journal().
[[nodiscard]] RankDurable rank_from_journal(const boost::json::object& record);

}  // namespace cardswap::gang
