#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace cardswap::cli {

/// This command's environment as a job gets it, with "KEY=VALUE" of `extra` on top. Throws
/// Error{bad_request} for what a job cannot have.
[[nodiscard]] boost::json::object environment(const std::vector<std::string>& extra);

}  // namespace cardswap::cli
