#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// A descriptor of a process, from /proc.
struct OpenFile {
  std::string path;  ///< what /proc/PID/fd/N points to: "/data/run.log", "pipe:[4711]"
  int flags = 0;     ///< open(2)'s, from /proc/PID/fdinfo/N
};

/// The value of the `flags:` line (octal) of /proc/PID/fdinfo/N; nullopt where it has none.
[[nodiscard]] std::optional<int> flags_in(std::string_view fdinfo);

/// The files of `open` that their process may overwrite: open for writing without O_APPEND. Leaves
/// out the files in `own`, devices, pipes, sockets, memory and deleted files. Each path once,
/// sorted. Pure.
[[nodiscard]] std::vector<std::string> written_over(const std::vector<OpenFile>& open,
                                                    const std::vector<std::string>& own);

/// The descriptors that `pid` has open now, without those that cannot be read. Empty if it is gone.
[[nodiscard]] std::vector<OpenFile> open_files_of(pid_t pid);

}  // namespace cardswap
