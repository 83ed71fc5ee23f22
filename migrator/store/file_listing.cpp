#include "migrator/store/file_listing.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "migrator/base/os_error.h"
#include "migrator/store/store.h"

namespace cardswap::store {
namespace {

/// Closes a folder that is being listed.
struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

/// A folder of the store whose entries were read.
struct ReadFolder {
  std::unique_ptr<DIR, CloseFolder> folder;
  std::vector<std::string> entries;  ///< in the order of their bytes; folders end with '/'

  [[nodiscard]] int descriptor() const { return ::dirfd(folder.get()); }
};

/// `name` ends with '/', or is empty: the store's own folder.
ReadFolder read_folder(Descriptor at, const std::string& name) {
  ReadFolder read{std::unique_ptr<DIR, CloseFolder>(::fdopendir(at.get())), {}};
  if (!read.folder) throw file_error("list", name, errno);
  (void)at.release();
  errno = 0;
  while (const auto* entry = ::readdir(read.folder.get())) {  // NOLINT: no other reads this folder
    std::string part = entry->d_name;
    if (!is_object_name(part)) continue;
    struct stat status {};
    if (::fstatat(read.descriptor(), part.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      throw file_error("look at", name + part, errno);
    }
    if (S_ISDIR(status.st_mode)) part += '/';
    if (S_ISDIR(status.st_mode) || S_ISREG(status.st_mode)) read.entries.push_back(std::move(part));
    errno = 0;
  }
  if (errno != 0) throw file_error("list", name, errno);
  std::ranges::sort(read.entries);
  return read;
}

/// Gathers names of objects in their order.
class FileListing {
 public:
  FileListing(const std::string& after, std::size_t most) : after_(after), most_(most) {}

  /// `name` as for read_folder().
  void folder(Descriptor at, const std::string& name) {
    const auto read = read_folder(std::move(at), name);
    for (const auto& part : read.entries) {
      if (names_.size() >= most_) return;
      take(read.descriptor(), name + part, part);
    }
  }
  /// What of the folder's entry `part` sorts after `after`.
  void take(int folder_fd, const std::string& name, const std::string& part) {
    if (part.back() != '/') {
      if (name > after_ && is_object_name(name)) names_.push_back(name);
    } else if (name > after_ || after_.starts_with(name)) {
      Descriptor below(::openat(folder_fd, part.substr(0, part.size() - 1).c_str(), kFolderFlags));
      // Whoever prunes believes that what is not listed is not there.
      if (!below && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
        throw file_error("list", name, errno);
      }
      if (below) folder(std::move(below), name);
    }
  }

  std::vector<std::string> names() && { return std::move(names_); }

 private:
  const std::string after_;
  const std::size_t most_;
  std::vector<std::string> names_;
};

}  // namespace

Error file_error(std::string_view doing, const std::string& name, int number) {
  if (number == ENOSPC || number == EDQUOT) {
    return {Code::no_memory,
            fmt::format("{} {}: {}", doing, name, std::generic_category().message(number)),
            "make room where the store is, or let a prune remove snapshots"};
  }
  return os_error(fmt::format("{} {}", doing, name), number);
}

std::vector<std::string> objects_below(Descriptor at, const std::string& name,
                                       const std::string& after, std::size_t most) {
  FileListing listing(after, most);
  listing.folder(std::move(at), name);
  return std::move(listing).names();
}

std::vector<std::string> folders_below(Descriptor at, const std::string& name) {
  const auto read = read_folder(std::move(at), name);
  std::vector<std::string> found;
  for (const auto& part : read.entries) {
    if (part.back() != '/') continue;
    FileListing first({}, 1);
    first.take(read.descriptor(), name + part, part);
    if (!std::move(first).names().empty()) found.push_back(part.substr(0, part.size() - 1));
  }
  return found;
}

}  // namespace cardswap::store
