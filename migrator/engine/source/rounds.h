#pragma once

#include "migrator/engine/source/source_context.h"

namespace cardswap {

/// The `rounds` strategy at the source, as in the live migration of virtual machines (pre-copy with
/// dirty rounds). Each round sends the chunks whose digest differs from the target's, until the
/// rest fits into the allowed downtime. Returns when the program is frozen. Throws
/// Error{not_converging} when the rest does not fit after the allowed number of rounds, and as
/// PeerConnection's waits do.
void sync_by_rounds(SourceContext& source);

}  // namespace cardswap
