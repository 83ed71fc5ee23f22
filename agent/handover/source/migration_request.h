#pragma once

#include <string>

#include "migrator/plan/migration_spec.h"

namespace cardswap {

/// The request POST /v1/migrations. agent/handover/base/migration_body.h writes its body, and
/// agent/handover/migration_request_json.h reads it.
struct MigrationRequest {
  MigrationSpec spec;
  /// A job of many: the ranks of this host move, "HOST[:PORT]" or a host's own name. Empty: `spec`
  /// names what moves.
  std::string from;
  bool dry_run = false;
  /// A state or phase in which it is held, for an agent with --failpoints. Empty: none.
  std::string failpoint;
  /// Nobody waits for it, and a move comes first: Migrations::make_way(). Not in requests.
  bool yields_to_moves = false;
};

}  // namespace cardswap
