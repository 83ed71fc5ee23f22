#include "agent/criu/facts/files_needed.h"

#include <charconv>
#include <map>

#include "agent/criu/facts/paths.h"
#include "agent/criu/facts/proc_text.h"

namespace cardswap::criu {

std::pair<pid_t, std::string_view> process_in(std::string_view path) {
  constexpr std::string_view kProc = "/proc/";
  if (!path.starts_with(kProc)) return {};
  path.remove_prefix(kProc.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), pid);
  if (error != std::errc{}) return {};
  path.remove_prefix(static_cast<std::size_t>(end - path.data()));
  return {path.empty() || path.starts_with('/') ? pid : 0, path};
}

bool is_shared_memory_file(std::string_view path) { return path.starts_with("/dev/shm/"); }

std::vector<NeededFile> files_needed(const TreeFacts& tree) {
  std::map<std::pair<std::string, NeededFile::Use>, NeededFile> found;
  const auto add = [&found](NeededFile file) {
    auto key = std::pair(file.path, file.use);
    found.emplace(std::move(key), std::move(file));
  };
  for (const auto& process : tree.processes) {
    for (const auto& mapping : process.mappings) {
      const bool is_file =
          mapping.path.starts_with('/') && !mapping.deleted &&
          (!mapping.path.starts_with("/dev/") || is_shared_memory_file(mapping.path)) &&
          !mapping.path.starts_with("/SYSV");
      if (is_file) add({mapping.path, NeededFile::Use::mapped, 0, {}});
    }
    for (const auto& thing : process.open) {
      if (!thing.named || thing.is_log || !(thing.is_file() || thing.is_folder())) continue;
      if (process_in(thing.target).first != 0) continue;  // its own, there once it is
      const auto use = thing.is_folder() ? NeededFile::Use::folder
                       : thing.writes    ? NeededFile::Use::written
                                         : NeededFile::Use::read;
      add({thing.target, use, thing.bytes, {}});
    }
    const bool is_gone = process.folder.ends_with(kDeleted);
    if (process.folder.starts_with('/') && !is_gone && process_in(process.folder).first == 0) {
      add({process.folder, NeededFile::Use::folder, 0, {}});
    }
  }
  std::vector<NeededFile> result;
  for (auto& [key, file] : found) result.push_back(std::move(file));
  return result;
}

std::string_view to_string(NeededFile::Use use) {
  switch (use) {
    case NeededFile::Use::mapped: return "mapped";
    case NeededFile::Use::read: return "read";
    case NeededFile::Use::written: return "written";
    case NeededFile::Use::folder: return "folder";
  }
  return "?";
}

}  // namespace cardswap::criu
