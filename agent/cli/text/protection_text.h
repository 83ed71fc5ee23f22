#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

namespace cardswap::cli {

/// Describes a job's protection in a few lines: how often, where to, the last snapshot, what fails.
/// Empty: the job is not protected. `now_ms` is the Unix time. Pure.
[[nodiscard]] std::string protection_text(const boost::json::object& job, std::int64_t now_ms);
/// A short text for a table's line; empty: no protection of the job fails. Pure.
[[nodiscard]] std::string protection_trouble(const boost::json::object& job);

}  // namespace cardswap::cli
