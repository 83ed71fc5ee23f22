#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// Shows the progress of `migration` until it is over or in the state `until` (empty: only until it
/// is over), then its result. Returns the exit code for that. Ctrl-C, confirmed by the user, and
/// SIGTERM cancel the migration. Throws Error{in_doubt}, Error{link_lost} if the agent does not
/// answer any more, the agent's own error, Error{cancelled} if the user leaves before the end, and
/// the error of a cancel that did not reach the agent.
Exit follow(const Context& context, Client& client, boost::json::object migration,
            std::string_view until = {});
/// The first half of follow(): returns the migration as it ended, or in the state `until`.
[[nodiscard]] boost::json::object await_end(const Context& context, Client& client,
                                            boost::json::object migration,
                                            std::string_view until = {});
/// Does what await_end() does, but does not wait for the steps after the migration, whose lateness
/// counts for it: for a caller who has something to do once it is over.
[[nodiscard]] boost::json::object await_result(const Context& context, Client& client,
                                               boost::json::object migration,
                                               std::string_view until = {});
/// The second half of follow(): shows the result of a migration that has ended.
Exit show_outcome(const Context& context, const boost::json::object& migration);
/// Whether the migration has done what was asked for.
[[nodiscard]] bool has_worked(const boost::json::object& migration);

}  // namespace cardswap::cli
