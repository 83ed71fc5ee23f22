#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>

#include "migrator/base/descriptor.h"

/// How cardswap-init waits for the end of the program that it has started.
namespace cardswap {

/// Reaps the children of this process until `root` has ended; returns root's wait status. The rest
/// of root's process group is killed then, before the pid can be used again. Returns nullopt where
/// `lifeline` is closed without a byte: then `root` still runs. One byte through `lifeline` means
/// that it is not needed any more: `on_release` is called. Blocks the thread, and SIGCHLD for good.
[[nodiscard]] std::optional<int> wait_for_tree(pid_t root, Descriptor lifeline,
                                               const std::function<void()>& on_release = {});

/// Kills all descendants of this process and waits for their end, 5 s at most.
void end_descendants();

/// Replaces `file` by the exit status, as try_replace_file() does; does nothing where the disk
/// refuses.
void write_status(const std::filesystem::path& file, int wait_status);

}  // namespace cardswap
