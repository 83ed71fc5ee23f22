#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

namespace cardswap::cli {

/// What became of a job's recoveries, in lines below its row of `cardswap jobs`; empty if there was
/// none. `job` is as the API shows it.
[[nodiscard]] std::string recovery_text(const boost::json::object& job, std::int64_t now_ms);
/// What the row itself says while a recovery is owed; else empty.
[[nodiscard]] std::string recovery_note(const boost::json::object& job);

}  // namespace cardswap::cli
