#pragma once

#include <filesystem>

namespace cardswap {

/// The default --data-dir: /var/lib/cardswap for root, else ~/.local/state/cardswap. Empty where
/// $HOME is no absolute path: another user could own a folder with a fixed name.
[[nodiscard]] std::filesystem::path default_data_dir();

}  // namespace cardswap
