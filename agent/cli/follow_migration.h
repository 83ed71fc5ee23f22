#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// Shows how `migration` goes until it is over, or has come to `until`, and what became of it. A
/// signal cancels it. Throws Error where it is in doubt, and where its agent goes away.
Exit follow(const Context& context, Client& client, boost::json::object migration,
            std::string_view until = {});

}  // namespace cardswap::cli
