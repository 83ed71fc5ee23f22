#pragma once

#include <filesystem>
#include <string>

#include "agent/health/decisions/policy.h"

namespace cardswap::health {

/// Reads a policy. Throws Error{bad_request} "FILE:LINE: what is wrong" with what is allowed there:
/// unknown keys, values of another kind or out of range, aliases, over 256 KiB.
[[nodiscard]] Policy policy_from_yaml(const std::string& text, const std::string& file);
[[nodiscard]] Policy policy_from_file(const std::filesystem::path& file);

}  // namespace cardswap::health
