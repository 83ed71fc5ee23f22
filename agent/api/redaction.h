#pragma once

#include <boost/json/value.hpp>

namespace cardswap {

/// Removes the uids of jobs from an answer, also the counts of failed moves, whose keys are uids.
/// Agents know a job by its uid wherever it runs, so only callers who may act on the job get it
/// (Caller::may_see_uids()).
void hide_uids(boost::json::value& answer);

}  // namespace cardswap
