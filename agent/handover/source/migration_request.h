#pragma once

#include <string>

#include "agent/api/router.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap {

/// The request POST /v1/migrations; agent/base/migration_body.h writes its body.
struct MigrationRequest {
  MigrationSpec spec;
  bool dry_run = false;
  std::string hold_at;  ///< a state or phase to stand still in (with --failpoints only); or empty
};

/// Reads the request. Every field is checked here and nowhere else. Throws Error{bad_request} for a
/// field that is unknown, of a wrong type or out of range. Null means no limit.
[[nodiscard]] MigrationRequest migration_request_from(const ApiRequest& request);

}  // namespace cardswap
