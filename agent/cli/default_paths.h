#pragma once

#include <filesystem>

namespace cardswap {

/// /var/lib/cardswap for root, else ~/.local/state/cardswap.
[[nodiscard]] std::filesystem::path default_data_dir();

}  // namespace cardswap
