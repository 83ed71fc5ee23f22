#include "migrator/store/file_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/os_error.h"
#include "migrator/store/file_listing.h"
#include "migrator/store/folder_owner.h"

namespace cardswap::store {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0400;
constexpr std::uint64_t kReadAheadMin = 1U << 20;
/// The kernel takes no more of one advice than a device's longest request, and drops the rest.
constexpr std::uint64_t kAdviceMax = 512U << 10;

void check_file_name(const std::string& name) {
  if (!is_object_name(name)) {
    throw Error(Code::bad_request,
                fmt::format("'{}' is not the name of an object", name.substr(0, 80)));
  }
}

/// The folders on the path to an object, from the store's folder on, and its name in the last one.
struct Way {
  std::vector<Descriptor> folders;
  std::string last;
  [[nodiscard]] int at() const { return folders.back().get(); }
};

/// One put_new(). Calls `before` before each call that changes the disk.
class FilePut {
 public:
  FilePut(const BeforeFileCall& before, UnnamedFiles unnamed, const std::string& name)
      : before_(before), unnamed_(unnamed), name_(name) {}

  PutResult run(int root, Store::Pieces bytes) {
    make_way(root);
    Descriptor file = write_unnamed(bytes);
    const bool linked = file ? link_unnamed(file.get()) : write_beside(bytes);
    try {
      flush_folders();
    } catch (...) {
      // It is not known whether the object would survive a power cut, so it is removed.
      if (linked) ::unlinkat(way_.at(), way_.last.c_str(), 0);
      throw;
    }
    return linked ? PutResult::created : PutResult::exists;
  }

 private:
  void tell(std::string_view call) const {
    if (before_) before_(call, name_);
  }
  [[nodiscard]] Error failed(std::string_view doing) const {
    return file_error(doing, name_, errno);
  }

  void make_way(int root) {
    way_.folders.emplace_back(::fcntl(root, F_DUPFD_CLOEXEC, 0));
    if (way_.at() < 0) throw failed("open");
    std::size_t from = 0;
    for (auto slash = name_.find('/'); slash != std::string::npos; slash = name_.find('/', from)) {
      const auto part = name_.substr(from, slash - from);
      int folder = ::openat(way_.at(), part.c_str(), kFolderFlags);
      if (folder < 0 && errno == ENOENT) {
        tell("mkdir");
        if (::mkdirat(way_.at(), part.c_str(), kFolderMode) != 0 && errno != EEXIST) {
          throw failed("make the folder of");
        }
        folder = ::openat(way_.at(), part.c_str(), kFolderFlags);
      }
      if (folder < 0) throw failed("open the folder of");
      way_.folders.emplace_back(folder);
      from = slash + 1;
    }
    way_.last = name_.substr(from);
  }

  void write_all_of(int file, std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      tell("write");
      const auto size = ::write(file, bytes.data(), bytes.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) throw failed("write");
      bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
  }

  void fill(int file, Store::Pieces pieces) const {
    for (const auto& bytes : pieces) write_all_of(file, bytes);
    // A flush that failed once has lost bytes, whatever the next one says: it is not tried again.
    tell("fsync");
    if (::fsync(file) != 0) throw failed("flush");
    (void)::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);  // a read back asks the disk
  }

  /// A file without a name. Empty: the file system has no such files.
  [[nodiscard]] Descriptor write_unnamed(Store::Pieces bytes) const {
    if (unnamed_ == UnnamedFiles::absent) return {};
    tell("open");
    Descriptor file(::openat(way_.at(), ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, kFileMode));
    if (!file) {
      if (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT) return {};
      throw failed("make");
    }
    fill(file.get(), bytes);
    return file;
  }

  [[nodiscard]] bool link_unnamed(int file) const {
    tell("link");
    const auto path = fmt::format("/proc/self/fd/{}", file);
    if (::linkat(AT_FDCWD, path.c_str(), way_.at(), way_.last.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      return true;
    }
    if (errno == EEXIST) return false;
    throw failed("link");
  }

  /// If the file system has no files without a name: makes a file whose name no object can have.
  [[nodiscard]] bool write_beside(Store::Pieces bytes) const {
    static std::atomic<unsigned> count{0};
    const auto beside = fmt::format(".new-{}-{}", ::getpid(), count++);
    tell("open");
    const Descriptor file(::openat(way_.at(), beside.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                   kFileMode));
    if (!file) throw failed("make");
    try {
      fill(file.get(), bytes);
      tell("link");
      const bool linked = ::linkat(way_.at(), beside.c_str(), way_.at(), way_.last.c_str(), 0) == 0;
      if (!linked && errno != EEXIST) throw failed("link");
      ::unlinkat(way_.at(), beside.c_str(), 0);
      return linked;
    } catch (...) {
      ::unlinkat(way_.at(), beside.c_str(), 0);
      throw;
    }
  }

  /// Flushes all folders up to the store's: another caller may have just made one of them.
  void flush_folders() const {
    for (auto folder = way_.folders.rbegin(); folder != way_.folders.rend(); ++folder) {
      tell("fsync_folder");
      if (::fsync(folder->get()) != 0) throw failed("flush the folder of");
    }
  }

  const BeforeFileCall& before_;
  const UnnamedFiles unnamed_;
  const std::string& name_;
  Way way_;
};

/// Opens the folder that `name` (its parts, or empty) has below `root`; none: there is none.
Descriptor folder_below(int root, std::string_view name) {
  Descriptor at(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  while (at && !name.empty()) {
    const auto slash = std::min(name.find('/'), name.size());
    at.reset(::openat(at.get(), std::string(name.substr(0, slash)).c_str(), kFolderFlags));
    name.remove_prefix(std::min(slash + 1, name.size()));
  }
  return at;
}

std::string_view folder_part(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash);
}

/// Opens an object to read it. Empty: there is none.
Descriptor open_object(int root, const std::string& name, struct stat& status) {
  const auto folder = folder_below(root, folder_part(name));
  const auto last = name.substr(name.rfind('/') + 1);
  Descriptor file;
  if (folder) {
    file.reset(
        ::openat(folder.get(), last.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  }
  if (!file && errno == ENOENT) return {};
  if (!file || ::fstat(file.get(), &status) != 0) throw file_error("open", name, errno);
  if (!S_ISREG(status.st_mode)) throw Error(Code::corrupt, fmt::format("{}: it is no file", name));
  return file;
}

/// Has the disk go on with what is read next, while this thread works on what it has: each read
/// opens its file anew, so the kernel sees no sequence.
void read_ahead(int file, std::uint64_t from, std::uint64_t bytes) {
  while (bytes > 0) {
    const auto piece = std::min(bytes, kAdviceMax);
    (void)::posix_fadvise(file, static_cast<off_t>(from), static_cast<off_t>(piece),
                          POSIX_FADV_WILLNEED);
    from += piece;
    bytes -= piece;
  }
}

/// Flushes the folder in which `made` is: without its name all that is in it would be lost with the
/// power. A parent that this user may not read is its owner's affair.
void flush_name_of(const std::filesystem::path& made) {
  const Descriptor parent(::open(made.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent && ::fsync(parent.get()) != 0) {
    throw os_error(fmt::format("flush the folder of {}", made.string()));
  }
}

}  // namespace

FileStore::FileStore(std::filesystem::path folder, BeforeFileCall before, UnnamedFiles unnamed)
    : folder_(std::move(folder)),
      before_(std::move(before)),
      unnamed_(unnamed),
      root_(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!root_ && (errno == ENOENT || errno == ENOTDIR)) {
    throw Error(Code::not_found, fmt::format("there is no folder {}", folder_.string()),
                "`cardswap snapshot JOB --to` makes a store");
  }
  if (!root_) throw os_error(fmt::format("open {}", folder_.string()));
}

PutResult FileStore::put_new(const std::string& name, std::span<const std::byte> bytes) {
  return put_new_from(name, Pieces(&bytes, 1));
}

PutResult FileStore::put_new_from(const std::string& name, Pieces pieces) {
  check_file_name(name);
  const AsFolderOwner owner(root_.get());
  return FilePut(before_, unnamed_, name).run(root_.get(), pieces);
}

std::size_t FileStore::read(const std::string& name, std::uint64_t offset,
                            std::span<std::byte> into) {
  check_file_name(name);
  struct stat status {};
  const auto file = open_object(root_.get(), name, status);
  if (!file) throw Error(Code::not_found, fmt::format("{}: there is no such object", name));
  if (offset >= static_cast<std::uint64_t>(status.st_size)) return 0;
  if (into.size() >= kReadAheadMin) read_ahead(file.get(), offset + into.size(), into.size());
  std::size_t done = 0;
  while (done < into.size()) {
    const auto size = ::pread(file.get(), into.data() + done, into.size() - done,
                              static_cast<off_t>(offset + done));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw file_error("read", name, errno);
    if (size == 0) break;
    done += static_cast<std::size_t>(size);
  }
  return done;
}

void FileStore::read_soon(const std::string& name, std::uint64_t offset,
                          std::uint64_t bytes) noexcept {
  try {
    check_file_name(name);
    struct stat status {};
    const auto file = open_object(root_.get(), name, status);
    const auto size = file ? static_cast<std::uint64_t>(status.st_size) : 0;
    if (offset < size) read_ahead(file.get(), offset, std::min(bytes, size - offset));
  } catch (...) {  // the read itself tells what is wrong
  }
}

std::optional<std::uint64_t> FileStore::size_of(const std::string& name) {
  check_file_name(name);
  struct stat status {};
  if (!open_object(root_.get(), name, status)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

Descriptor FileStore::open_folder(const std::string& prefix) const {
  if (!prefix.empty()) {
    if (prefix.back() != '/') {
      throw Error(Code::bad_request, fmt::format("'{}' is no folder's name", prefix.substr(0, 80)));
    }
    check_file_name(prefix.substr(0, prefix.size() - 1));
  }
  auto folder = folder_below(
      root_.get(), std::string_view(prefix).substr(0, prefix.size() - (prefix.empty() ? 0 : 1)));
  if (!folder && errno != ENOENT) throw file_error("list", prefix, errno);
  return folder;
}

std::vector<std::string> FileStore::list(const std::string& prefix, const std::string& after,
                                         std::size_t most) {
  auto folder = open_folder(prefix);
  if (!folder) return {};
  return objects_below(std::move(folder), prefix, after, most);
}

std::vector<std::string> FileStore::folders(const std::string& prefix) {
  auto folder = open_folder(prefix);
  if (!folder) return {};
  return folders_below(std::move(folder), prefix);
}

void FileStore::remove(const std::string& name) {
  check_file_name(name);
  const AsFolderOwner owner(root_.get());
  const auto folder = folder_below(root_.get(), folder_part(name));
  if (!folder && errno == ENOENT) return;
  if (!folder) throw file_error("remove", name, errno);
  if (before_) before_("unlink", name);
  const auto last = name.substr(name.rfind('/') + 1);
  if (::unlinkat(folder.get(), last.c_str(), 0) != 0 && errno != ENOENT) {
    throw file_error("remove", name, errno);
  }
  if (before_) before_("fsync_folder", name);
  if (::fsync(folder.get()) != 0) throw file_error("flush the folder of", name, errno);
}

StoreFacts FileStore::facts() {
  struct statvfs status {};
  if (::fstatvfs(root_.get(), &status) != 0) throw file_error("look at", folder_.string(), errno);
  return {.where = "file:" + folder_.string(),
          .free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize,
          .durable = true,
          .read_only = (status.f_flag & ST_RDONLY) != 0};
}

std::unique_ptr<FileStore> open_or_create_file_store(const std::filesystem::path& folder) {
  std::error_code failed;
  std::vector<std::filesystem::path> made;  // the innermost first
  for (auto at = folder; !at.empty() && !std::filesystem::exists(at, failed);
       at = at.parent_path()) {
    made.push_back(at);
  }
  std::filesystem::create_directories(folder, failed);
  if (failed) throw os_error(fmt::format("make {}", folder.string()), failed.value());
  for (const auto& one : made) flush_name_of(one);
  return std::make_unique<FileStore>(folder);
}

}  // namespace cardswap::store
