#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace cardswap::cli {

/// Shows the answer of diff_json(), with both snapshots as `before` and `after`, as text. Pure.
[[nodiscard]] std::string diff_text(const boost::json::object& diff);

}  // namespace cardswap::cli
