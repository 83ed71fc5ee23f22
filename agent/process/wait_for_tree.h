#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>

#include "migrator/base/descriptor.h"

/// What cardswap-init does for the rest of its life: it stays with a process until that ends.
namespace cardswap {

/// Waits for whatever ends here until `root` did; its wait status. What is left of its process
/// group then is killed, while its number is nobody else's. `lifeline` closed without a word:
/// nothing, and `root` still runs; one byte through it: it is needed no more, and `at_word` is
/// called. Blocks SIGCHLD for good.
[[nodiscard]] std::optional<int> wait_for_tree(pid_t root, Descriptor lifeline,
                                               const std::function<void()>& at_word = {});

/// Kills all that descends from this process and waits for it, a few seconds at most.
void end_descendants();

/// Writes a status that is on disk, whole, when this returns; or not at all, when the disk does not
/// take it.
void write_status(const std::filesystem::path& file, int wait_status);

}  // namespace cardswap
