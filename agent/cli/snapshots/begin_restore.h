#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// What a request for a restore has of the snapshot that `about`, its snapshot_json(), describes:
/// the program is started with the arguments that the snapshot has, in this command's environment;
/// the variables that the snapshot has replace those of the same name. `device`: empty: that of
/// then.
[[nodiscard]] boost::json::object restore_body(const boost::json::object& about,
                                               const std::string& device);
/// Asks the agent for the restore, and returns the migration that it began. Throws
/// Error{cancelled} at a signal, and what Client::call() throws.
[[nodiscard]] boost::json::object begin_restore(const Context& context, Client& client,
                                                boost::json::object body);

}  // namespace cardswap::cli
