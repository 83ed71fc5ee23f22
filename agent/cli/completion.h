#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace cardswap::cli {

/// bash's completion script for `app`: every verb, its options and its own verbs, as they are
/// declared. What is hidden from --help is left out.
[[nodiscard]] std::string bash_completion(const CLI::App& app);

}  // namespace cardswap::cli
