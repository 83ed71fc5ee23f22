#pragma once

#include <string>

#include "agent/api/router.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap {

/// What POST /v1/migrations asks for; agent/base/migration_body.h writes its body.
struct MigrationRequest {
  MigrationSpec spec;
  bool dry_run = false;
  std::string hold_at;  ///< a state or phase to stand still in: with --failpoints only; or empty
};

/// Reads the request. Every field is looked at here and nowhere else: one that is not known, of
/// another type or out of its range throws Error{bad_request}. Null lifts a limit.
[[nodiscard]] MigrationRequest migration_request_from(const ApiRequest& request);

}  // namespace cardswap
