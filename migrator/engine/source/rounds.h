#pragma once

#include "migrator/engine/source/source_context.h"

namespace cardswap {

/// The `rounds` strategy at the source, as live migration of virtual machines has it (pre-copy with
/// dirty rounds): each round sends the chunks whose digest is not what the target holds, until what
/// a freeze would leave to send fits the allowed downtime. Returns when the program is frozen;
/// throws Error{not_converging} when it does not fit after as many rounds as are allowed.
void sync_by_rounds(SourceContext& source);

}  // namespace cardswap
