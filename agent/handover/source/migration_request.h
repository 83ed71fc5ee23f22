#pragma once

#include <string>

#include "agent/api/router.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap {

/// The request POST /v1/migrations; agent/base/migration_body.h writes its body.
struct MigrationRequest {
  MigrationSpec spec;
  bool dry_run = false;
  /// A state or phase in which it is held, for an agent with --failpoints. Empty: none.
  std::string failpoint_at;
  /// Nobody waits for it, and a move comes first: Migrations::make_way(). Not in requests.
  bool yields_to_moves = false;
};

/// Reads the request. Throws Error{bad_request} for a field that is unknown, of a wrong type or out
/// of range, and for a dry run of a rehearsal alone. Null lifts a limit, and only null: one below 1
/// is refused. Any other field that is null counts as missing. MigrationAdmission checks `to` and
/// the failpoint.
[[nodiscard]] MigrationRequest migration_request_from(const ApiRequest& request);

}  // namespace cardswap
