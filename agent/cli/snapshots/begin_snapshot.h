#pragma once

#include <boost/json/object.hpp>

#include "agent/cli/command_context.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap::cli {

/// Whether a snapshot is asked for again once another migration of the job has ended.
enum class WhileBusy : bool { refuses, waits };

/// Asks the agent for the snapshot that `spec` describes, and returns the migration that it began.
/// A job is in one migration at a time: with WhileBusy::waits this waits for the end of the one
/// that the job is in (a snapshot, or a move), says so on stderr, and asks again; whoever is faster
/// the next time is waited for as well. `spec.timeout_ms` is the limit of it all: what the wait has
/// taken is taken off before the agent is asked. Throws Error{timed_out} if the limit passes in the
/// wait, Error{cancelled} after SIGINT or SIGTERM, neither of which leaves anything behind, and the
/// agent's own error.
[[nodiscard]] boost::json::object begin_snapshot(const Context& context, Client& client,
                                                 MigrationSpec spec, WhileBusy busy);

}  // namespace cardswap::cli
