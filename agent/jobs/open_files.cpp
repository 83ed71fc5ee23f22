#include "agent/jobs/open_files.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace cardswap {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

/// Whether a path cannot name an ordinary file: devices, pipes, sockets, memory, deleted files.
bool is_no_file(std::string_view path) {
  return !path.starts_with('/') || path.starts_with("/dev/") || path.starts_with("/proc/") ||
         path.starts_with("/sys/") || path.starts_with("/memfd:") || path.ends_with(kDeleted);
}

}  // namespace

std::optional<int> flags_in(std::string_view fdinfo) {
  constexpr std::string_view kKey = "flags:";
  while (!fdinfo.empty()) {
    const auto line = fdinfo.substr(0, fdinfo.find('\n'));
    fdinfo.remove_prefix(std::min(line.size() + 1, fdinfo.size()));
    if (!line.starts_with(kKey)) continue;
    auto value = line.substr(kKey.size());
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    unsigned flags = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), flags, 8);
    if (read.ec != std::errc() || read.ptr != value.data() + value.size()) return std::nullopt;
    return static_cast<int>(flags);
  }
  return std::nullopt;
}

std::vector<std::string> written_over(const std::vector<OpenFile>& open,
                                      const std::vector<std::string>& own) {
  std::set<std::string> found;
  for (const auto& file : open) {
    const auto mode = file.flags & O_ACCMODE;
    if ((mode != O_WRONLY && mode != O_RDWR) || (file.flags & (O_APPEND | O_PATH)) != 0) continue;
    if (is_no_file(file.path) || std::ranges::find(own, file.path) != own.end()) continue;
    found.insert(file.path);
  }
  return {found.begin(), found.end()};
}

std::vector<OpenFile> open_files_of(pid_t pid) {
  namespace fs = std::filesystem;
  const fs::path process = "/proc/" + std::to_string(pid);
  std::vector<OpenFile> files;
  std::error_code gone;
  for (auto fd = fs::directory_iterator(process / "fd", gone);
       !gone && fd != fs::directory_iterator(); fd.increment(gone)) {
    const auto number = fd->path().filename();
    std::error_code closed;
    const auto path = fs::read_symlink(fd->path(), closed);
    std::ifstream info(process / "fdinfo" / number, std::ios::binary);
    const auto flags = flags_in(std::string(std::istreambuf_iterator<char>(info), {}));
    if (!closed && flags) files.push_back({path.string(), *flags});
  }
  return files;
}

}  // namespace cardswap
