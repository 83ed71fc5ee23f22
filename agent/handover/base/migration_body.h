#pragma once

#include <boost/json/object.hpp>

#include "migrator/plan/migration_spec.h"

namespace cardswap {

/// The body of POST /v1/migrations, as the command sends it and the agent reads it
/// (handover/migration_request_json.h).
[[nodiscard]] boost::json::object request_body(const MigrationSpec& spec);

}  // namespace cardswap
