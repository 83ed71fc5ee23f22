#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace cardswap::cli {

/// Returns this command's environment for a job, without CARDSWAP_ variables. The "KEY=VALUE" items
/// of `extra` replace variables of the same name; items that begin with CARDSWAP_ are left out,
/// too. Throws Error{bad_request} for an item of `extra` without '=', and for a variable that is
/// not UTF-8.
[[nodiscard]] boost::json::object environment(const std::vector<std::string>& extra);

}  // namespace cardswap::cli
