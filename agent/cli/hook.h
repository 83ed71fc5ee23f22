#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace cardswap::cli {

/// Names (without CARDSWAP_HOOK_) and values of the variables that a hook gets.
using HookFacts = std::vector<std::pair<std::string, std::string>>;

/// Runs `arguments[0]`, which is looked for in PATH, without a shell and with a variable
/// CARDSWAP_HOOK_NAME for each fact. Its input is empty, and its output goes to stderr. Waits for
/// its end; after `limit` kills it and its process group. Returns why it failed; empty: it exited
/// with 0. `arguments` must not be empty. Throws no Error.
[[nodiscard]] std::string run_hook(const std::vector<std::string>& arguments,
                                   const HookFacts& facts, std::chrono::milliseconds limit);

}  // namespace cardswap::cli
