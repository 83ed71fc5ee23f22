#pragma once

#include <filesystem>

namespace cardswap {

/// /var/lib/cardswap for root, else ~/.local/state/cardswap; empty where this user has no home: a
/// name that is the same for everybody could be anybody's.
[[nodiscard]] std::filesystem::path default_data_dir();

}  // namespace cardswap
