#pragma once

#include "agent/api/router.h"
#include "agent/handover/source/migration_request.h"

namespace cardswap {

/// Reads the request. Throws Error{bad_request} for a field that is unknown, of a wrong type or out
/// of range, and for a dry run of a rehearsal alone. Null lifts a limit, and only null: one below 1
/// is refused. Any other field that is null counts as missing. MigrationFactory checks `to` and
/// the failpoint.
[[nodiscard]] MigrationRequest migration_request_from(const ApiRequest& request);

}  // namespace cardswap
