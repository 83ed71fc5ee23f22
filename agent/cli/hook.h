#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace cardswap::cli {

using HookFacts = std::vector<std::pair<std::string, std::string>>;

/// Runs `arguments[0]` (looked for in PATH) with CARDSWAP_HOOK_* variables of these facts, without
/// a shell; what it prints goes to stderr, its input is empty. After `limit` it and its group are
/// killed. Returns what went wrong, empty when it ended with 0. Throws nothing of its own.
[[nodiscard]] std::string run_hook(const std::vector<std::string>& arguments,
                                   const HookFacts& facts, std::chrono::milliseconds limit);

}  // namespace cardswap::cli
