#pragma once

#include <filesystem>
#include <string>

namespace cardswap {

/// The path of the program `name` in the running program's folder: "cardswap-init",
/// "cardswap-holder". It is not checked that it exists.
[[nodiscard]] std::filesystem::path program_beside(const std::string& name);

}  // namespace cardswap
