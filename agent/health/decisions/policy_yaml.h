#pragma once

#include <filesystem>
#include <string>

#include "agent/health/decisions/policy.h"

namespace cardswap::health {

/// Reads a policy. `file` is the name in error texts. Throws Error{bad_request} "FILE:LINE: what is
/// wrong", with what is allowed there: for unknown keys, values of another type or out of range,
/// aliases, or more than 256 KiB.
[[nodiscard]] Policy policy_from_yaml(const std::string& text, const std::string& file);
/// Reads and parses the file. Throws also Error{io} if it cannot be read, and Error{refused} if
/// others may write to it.
[[nodiscard]] Policy policy_from_file(const std::filesystem::path& file);

}  // namespace cardswap::health
