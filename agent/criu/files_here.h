#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/criu/preflight.h"

/// Looks at files that another host names. It runs in a process of its own (cardswap-init), as the
/// user whom the job will be: a file system that hangs holds nobody up, and nothing is told that
/// the user could not find out.
namespace cardswap::criu {

enum class FileHere : char { fits = 'f', missing = 'n', differs = 'd', another_build = 'b' };

/// A link is followed. What is no regular file (or folder, where one is needed) counts as missing.
/// Of the kernel's own file systems what everybody may read is there or not; it is never opened,
/// because that may wait or act.
[[nodiscard]] FileHere look_at(const NeededFile& file);

// Between the agent and its process; paths hold no NUL.
[[nodiscard]] std::string encode(const std::vector<NeededFile>& files);
/// What is no whole list is read as far as it is one.
[[nodiscard]] std::vector<NeededFile> files_from(std::string_view bytes);

/// In that process: the list is in `order`, and a letter a file goes to `report`. The exit code.
[[nodiscard]] int look_at_files(int order, int report);
inline constexpr int kFilesOrderFd = 3;
inline constexpr int kFilesReportFd = 4;

}  // namespace cardswap::criu
