#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace cardswap {

/// How a file is made that takes another one's place.
struct FileReplacement {
  mode_t mode = 0600;       ///< less what the umask takes away
  bool exact_mode = false;  ///< `mode`, whatever the umask is
  /// What its name has more until it is whole. What is there under that name goes: where others may
  /// make names in the folder, one that they cannot guess.
  std::string suffix = ".new";
};

/// Replaces a file, whole or not at all: the text is on disk under another name beside it before it
/// takes the file's own, and that is on disk when this returns. Where it fails the old file is as
/// it was, and nothing is left beside it. 0, or the errno that it stopped at.
[[nodiscard]] int try_replace_file(const std::filesystem::path& file, std::string_view text,
                                   const FileReplacement& how = {});
/// Replaces a file as try_replace_file() does. Throws Error{io}: "write /x/agent.json: No space
/// left on device", and what to do about it.
void replace_file(const std::filesystem::path& file, std::string_view text,
                  const FileReplacement& how = {});

}  // namespace cardswap
