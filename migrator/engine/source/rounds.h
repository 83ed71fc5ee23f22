#pragma once

#include "migrator/engine/source/context/source_context.h"

namespace cardswap {

/// The `rounds` strategy at the source, as in the live migration of virtual machines (pre-copy with
/// dirty rounds). Each round sends the chunks whose digest differs from the target's, until the
/// rest fits into the allowed downtime. Returns when the program is frozen.
///
/// With MigrationSpec::auto_converge it slows the program down after each round that leaves more
/// than half of the previous one. Throws Error{not_converging} if no freeze was offered and the
/// rest does not fit after MigrationSpec::max_rounds rounds or, with Strategy::automatic and
/// without auto_converge, after five rounds in a row that leave no less; and as StateSender's calls
/// do.
void sync_by_rounds(SourceContext& source);

}  // namespace cardswap
