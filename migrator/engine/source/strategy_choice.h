#pragma once

#include "migrator/engine/source/source_context.h"
#include "migrator/plan/migration_spec.h"

// Both on the engine's thread, after SourceContext::connect(), while the program trains.

namespace cardswap {

/// The strategy to use: the one asked for, or what predictions from a measured link say.
[[nodiscard]] Strategy choose_strategy(SourceContext& source);

/// Looks at what the program's next steps rewrite, where `auto` goes on by rounds and these are not
/// sure to keep the limit. Throws Error{not_converging}, with what each
/// strategy would cost, where the least of that would stop the program for clearly longer than it
/// allows: no round can leave less. Sends no more than a probe of the link, and makes no step late.
/// Where the program takes no step for much longer than it usually does, or each of them makes
/// state, rounds begin, and a note says why.
void expect_rounds_to_fit(SourceContext& source);

}  // namespace cardswap
