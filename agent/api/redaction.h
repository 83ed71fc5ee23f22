#pragma once

#include <boost/json/value.hpp>

namespace cardswap {

/// Takes the uids of jobs out of an answer. Agents know a job by its uid wherever it runs, so it is
/// for those who may act on the job anyway (Caller::may_see_uids).
void hide_uids(boost::json::value& answer);

}  // namespace cardswap
