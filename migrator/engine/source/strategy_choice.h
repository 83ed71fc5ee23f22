#pragma once

#include "migrator/engine/source/context/source_context.h"
#include "migrator/plan/migration_spec.h"

// Both on the engine's thread, after SourceContext::connect(), while the program trains.

namespace cardswap {

/// The strategy to use: the requested one, or for `auto` the best by predictions. Measures the link
/// first, unless rounds, or replay without a limit, was requested. Throws as
/// SourceContext::probe_link() does.
[[nodiscard]] Strategy choose_strategy(SourceContext& source);

/// Checks whether rounds can keep the limit, for `auto` when it is not sure that they can. Waits
/// for the next steps of the program and measures how many bytes they rewrite: no round can leave
/// less. Throws Error{not_converging}, with the cost of each strategy, if even that would stop the
/// program for clearly longer than allowed; and as ConnectionToTarget's waits do. Sends at most a
/// probe of the link, and delays no step. If the program takes no step for much longer than usual,
/// or every step creates state, it returns, and a remark tells people why.
void expect_rounds_to_fit(SourceContext& source);

}  // namespace cardswap
