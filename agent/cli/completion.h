#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace cardswap::cli {

/// The script with which bash completes `app`: its verbs, and for each verb its options and the
/// verbs below it. Hidden verbs and options are left out; short options, too.
[[nodiscard]] std::string bash_completion(const CLI::App& app);

}  // namespace cardswap::cli
