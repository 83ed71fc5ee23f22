#pragma once

#include "agent/handover/source/migration.h"

namespace cardswap {

/// Checks that somebody may cancel `m`: it can still fail. Throws Error{conflict}, which says what
/// became of it, if it is committed, over or being given up already.
void check_cancel(const Migration& m);

}  // namespace cardswap
