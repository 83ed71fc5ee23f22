#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/hosts.h"

namespace cardswap::bench {

/// A program's own way to another host: it saves a checkpoint, which is copied over the link, and
/// starts again from there.
struct FileCopy {
  std::filesystem::path folder;  ///< whose files it may make
  /// Its command line for so many steps. It knows --times, --loss-log, --checkpoint and --resume.
  std::function<std::vector<std::string>(int steps)> program;
};

/// From the start of the last step here to the start of the first one there, less `step_ms`. Needs
/// no agent. Throws if a part of it fails.
[[nodiscard]] double file_copy_ms(const test::NetnsPair& net, const FileCopy& way, double step_ms);

}  // namespace cardswap::bench
