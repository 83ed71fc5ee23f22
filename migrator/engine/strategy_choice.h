#pragma once

#include "migrator/core/migration_spec.h"
#include "migrator/engine/source_parts.h"

// Both on the engine's thread, after SourceParts::connect(), while the program trains.

namespace cardswap {

/// The strategy to use: the one asked for, or what predictions from a measured link say.
[[nodiscard]] Strategy choose_strategy(SourceParts& source);

/// Looks at what the program's next steps rewrite, where `auto` goes on by rounds and these are not
/// sure to keep the limit. Throws Error{not_converging}, with what each
/// strategy would cost, where the least of that would stop the program for clearly longer than it
/// allows: no round can leave less. Sends no more than a probe of the link, and makes no step late.
void expect_rounds_to_fit(SourceParts& source);

}  // namespace cardswap
