#include "tests/stand_ins/disk/disk.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace cardswap::stand_in_disk {
namespace {

constexpr const char* kKept = ".kept";  // behind the folder's name: where removed files are
constexpr std::size_t kPiece = 1000;    // less than a chunk, more than a head

std::string word(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return value == nullptr ? "" : value;
}

/// A word of DISK_DOES.
struct Said {
  std::string_view word;
  Deed deed;
  int error;
};
constexpr std::array<Said, 9> kDeeds{{{"kill", Deed::kill, 0},
                                      {"half", Deed::half, 0},
                                      {"cut", Deed::cut, 0},
                                      {"cut_bytes", Deed::cut_bytes, 0},
                                      {"EIO", Deed::fail, EIO},
                                      {"ENOSPC", Deed::full, ENOSPC},
                                      {"EDQUOT", Deed::full, EDQUOT},
                                      {"EROFS", Deed::full, EROFS},
                                      {"shorten", Deed::shorten, 0}}};

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::look: return "look";
    case Kind::change: return "change";
    case Kind::write: return "write";
    case Kind::flush: return "flush";
  }
  return "";
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string link_at(const std::string& link) {
  std::array<char, PATH_MAX> path{};
  const auto size = ::readlink(link.c_str(), path.data(), path.size());
  return size < 0 ? "" : std::string(path.data(), static_cast<std::size_t>(size));
}

}  // namespace

void* real_call(const char* name) {
  void* found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();  // a test of nothing
  return found;
}

std::string path_of(int file) { return link_at("/proc/self/fd/" + std::to_string(file)); }

std::string path_at(int folder, const char* path) {
  if (path[0] == '/') return path;
  const auto from = folder == AT_FDCWD ? link_at("/proc/self/cwd") : path_of(folder);
  return std::string(path) == "." ? from : from + "/" + path;
}

Disk& disk() {
  static auto& one = *new Disk;  // never destroyed: files are closed until the very end
  return one;
}

Disk::Disk() : folder_(word("DISK_FOLDER")), unnamed_(word("DISK_UNNAMED") != "absent") {
  if (const auto calls = word("DISK_CALLS"); !calls.empty()) {
    calls_to_ = real<int(const char*, int, ...)>("open")(
        calls.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  const auto does = word("DISK_DOES");
  if (does.empty()) return;
  const auto* said = std::ranges::find(kDeeds, does, &Said::word);
  if (said == kDeeds.end()) std::abort();
  deed_ = said->deed;
  error_ = said->error;
  at_ = std::strtoull(word("DISK_AT").c_str(), nullptr, 10);
}

/// Also where a removed file is, for the calls about a file that is still open.
bool Disk::is_below(const std::string& path) const {
  if (folder_.empty() || !path.starts_with(folder_)) return false;
  const auto below = std::string_view(path).substr(folder_.size());
  return below.empty() || below.starts_with('/') || below.starts_with(std::string(kKept) + '/');
}

bool Disk::has_unnamed(const std::string& path) const { return unnamed_ || !is_below(path); }

Answer Disk::before(const char* call, const std::string& path, Kind kind) {
  if (ending_ || !is_below(path)) return {};
  const MutexLock lock(mutex_);
  const auto number = calls_++;
  if (calls_to_ >= 0) {
    const auto line = std::string(name_of(kind)) + " " + call + " " + path + "\n";
    (void)real<ssize_t(int, const void*, std::size_t)>("write")(calls_to_, line.data(),
                                                                line.size());
  }
  const bool frees = std::string_view(call) == "unlinkat";
  switch (deed_) {
    case Deed::kill:
    case Deed::cut:
    case Deed::cut_bytes:
      if (number == at_) end();
      return {};
    case Deed::half: return {0, number == at_ && kind == Kind::write};
    case Deed::fail: return {number == at_ ? error_ : 0, false};
    case Deed::full:
      if (number < at_ || kind == Kind::look || (frees && error_ != EROFS)) return {};
      return {error_, false};
    default: return {};
  }
}

std::size_t Disk::piece(const std::string& path, std::size_t bytes) {
  if (deed_ != Deed::shorten || ending_ || !is_below(path)) return bytes;
  const MutexLock lock(mutex_);
  return ++pieces_ % 2 == 1 ? 0 : std::min(bytes, kPiece);
}

void Disk::wrote(int file) {
  struct stat status {};
  if (ending_ || !is_below(path_of(file)) || ::fstat(file, &status) != 0) return;
  const MutexLock lock(mutex_);
  dirty_.insert({status.st_dev, status.st_ino});
}

/// Also of a folder above, in which the folder itself was made.
void Disk::flushed(int file) {
  struct stat status {};
  const auto path = path_of(file);
  if (ending_ || ::fstat(file, &status) != 0) return;
  const MutexLock lock(mutex_);
  if (!S_ISDIR(status.st_mode)) {
    dirty_.erase({status.st_dev, status.st_ino});
    return;
  }
  std::erase_if(changes_, [&](const Change& change) { return parent_of(change.path) == path; });
}

/// As the kernel has it: the bytes are clean for the next flush, and not on the disk.
void Disk::flush_failed(int file) {
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) (void)::ftruncate(file, 0);
}

void Disk::made(const std::string& path) {
  if (ending_ || !is_below(path)) return;
  const MutexLock lock(mutex_);
  changes_.push_back({path, ""});
}

void Disk::linked(const std::string& path) {
  struct stat status {};
  if (ending_ || !is_below(path) || ::lstat(path.c_str(), &status) != 0) return;
  made(path);
  const MutexLock lock(mutex_);
  names_.emplace_back(path, File{status.st_dev, status.st_ino});
}

std::optional<int> Disk::removed(const std::string& path) {
  if (ending_ || deed_ != Deed::cut || !is_below(path)) return std::nullopt;
  const MutexLock lock(mutex_);
  const auto kept = folder_ + kKept;
  (void)real<int(const char*, mode_t)>("mkdir")(kept.c_str(), 0700);
  Change change{path, kept + "/" + std::to_string(calls_)};
  const int result =
      real<int(const char*, const char*)>("rename")(path.c_str(), change.kept.c_str());
  if (result == 0) changes_.push_back(std::move(change));
  return result;
}

void Disk::lose_what_was_not_flushed() {
  std::error_code ignored;
  if (deed_ == Deed::cut) {
    for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
      if (change->kept.empty()) {
        std::filesystem::remove_all(change->path, ignored);
      } else {
        std::filesystem::rename(change->kept, change->path, ignored);
      }
    }
  }
  for (const auto& [path, file] : names_) {
    if (!dirty_.contains(file)) continue;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, ignored);
    std::filesystem::resize_file(path, 0, ignored);
  }
}

void Disk::end() {
  ending_ = true;  // what is called from here on is not the program's
  if (deed_ == Deed::cut || deed_ == Deed::cut_bytes) lose_what_was_not_flushed();
  (void)::kill(::getpid(), SIGKILL);
  while (true) (void)::pause();
}

}  // namespace cardswap::stand_in_disk
