#pragma once

#include <filesystem>
#include <string>

namespace cardswap {

/// `name` beside the running program: "cardswap-init", "cardswap-holder".
[[nodiscard]] std::filesystem::path program_beside(const std::string& name);

}  // namespace cardswap
