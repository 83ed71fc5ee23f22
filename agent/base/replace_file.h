#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace cardswap {

/// How the new file is made.
struct FileReplacement {
  mode_t mode = 0600;       ///< the umask applies to it
  bool exact_mode = false;  ///< the umask does not apply
  /// The new file's name while it is written is the old name plus this suffix. A file of that name
  /// is removed first. Where other users may create names in the folder, use one that they cannot
  /// guess.
  std::string suffix = ".new";
};

/// Replaces a file atomically: writes `text` to a new file in the same folder, flushes it, and
/// renames it. Returns 0, or the errno of the step that failed: then the old file is unchanged. The
/// folder is flushed too; where it cannot be, a crash of the host may bring the old file back.
[[nodiscard]] int try_replace_file(const std::filesystem::path& file, std::string_view text,
                                   const FileReplacement& how = {});
/// Replaces a file by try_replace_file(). Throws Error{io}: "write /x/agent.json: No space left on
/// device", with a hint.
void replace_file(const std::filesystem::path& file, std::string_view text,
                  const FileReplacement& how = {});

}  // namespace cardswap
