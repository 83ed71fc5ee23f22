#include "agent/criu/facts/held_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "agent/criu/facts/file_match.h"
#include "agent/criu/facts/proc_files.h"
#include "agent/criu/facts/same_file.h"
#include "agent/process/pipe.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/base/os_error.h"

namespace cardswap::criu {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNoneRefused = ~std::size_t{0};

/// What a process holds under a name.
struct Held {
  std::string name;
  dev_t device = 0;
  ino_t inode = 0;
  int access = 0;  ///< R_OK, W_OK and X_OK, as it has it; 0: it need only be reached
  auto operator<=>(const Held&) const = default;
};
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// Memory without a name, which the kernel calls like a deleted file in a folder of root's.
bool is_nameless_memory(std::string_view name) {
  return name == "/dev/zero (deleted)" ||
         (name.starts_with("/memfd:") && name.ends_with(" (deleted)"));
}

/// The numbers after "Key:" in /proc/PID/status and the like.
std::vector<unsigned> numbers_of(const std::string& text, const std::string& key) {
  const auto at = text.find("\n" + key + ":");
  std::vector<unsigned> result;
  if (at == std::string::npos) return result;
  const auto begin = at + key.size() + 2;
  std::istringstream line(text.substr(begin, text.find('\n', begin) - begin));
  for (unsigned number = 0; line >> number;) result.push_back(number);
  return result;
}

/// Its real user: what a setuid program of that user's has open counts as the user's too.
std::optional<Owner> owner_of(pid_t pid) {
  const auto status = text_of(fmt::format("/proc/{}/status", pid));
  const auto uids = numbers_of(status, "Uid");
  const auto gids = numbers_of(status, "Gid");
  if (uids.empty() || gids.empty()) return std::nullopt;
  const auto groups = numbers_of(status, "Groups");
  return Owner{uids[0], gids[0], {groups.begin(), groups.end()}};
}

/// Of a link of /proc that leads to something: how it was opened.
int access_by(const fs::path& link) {
  struct stat about {};
  if (::lstat(link.c_str(), &about) != 0) return R_OK | W_OK;
  const int reads = (about.st_mode & S_IRUSR) != 0 ? R_OK : 0;
  const int writes = (about.st_mode & S_IWUSR) != 0 ? W_OK : 0;
  return reads | writes;
}

/// Ranges of memory that writes through to its file, as map_files calls them.
std::set<std::string> shared_ranges(const fs::path& process) {
  std::istringstream maps(text_of(process / "maps"));
  std::set<std::string> result;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range;
    std::string rights;
    words >> range >> rights;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    const auto dash = range.find('-');
    if (dash == std::string::npos || rights.size() != 4 || rights[3] != 's') continue;
    std::from_chars(range.data(), range.data() + dash, begin, 16);
    std::from_chars(range.data() + dash + 1, range.data() + range.size(), end, 16);
    result.insert(fmt::format("{:x}-{:x}", begin, end));
  }
  return result;
}

/// All that one process holds, and as what.
class Holdings {
 public:
  Holdings(pid_t pid, const struct stat& log)
      : pid_(pid), process_(fmt::format("/proc/{}", pid)), log_(log) {
    add_program();
    add_descriptors();
    add_mappings();
    add(process_ / "cwd", "is in", X_OK);
    struct stat root {};
    struct stat ours {};
    if (::stat((process_ / "root").c_str(), &root) != 0 || ::stat("/", &ours) != 0 ||
        link_of(process_ / "root") != "/") {
      refuse("has another root folder than it had");
    }
  }

  [[nodiscard]] const std::map<Held, std::string>& all() const { return all_; }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(Code::refused, fmt::format("process {} {}", pid_, what));
  }

 private:
  static fs::directory_iterator in(const fs::path& folder) {
    std::error_code gone;
    return fs::directory_iterator(folder, gone);
  }

  void add(const fs::path& link, std::string how, int access) {
    struct stat about {};
    const auto name = link_of(link);
    if (::stat(link.c_str(), &about) != 0) refuse(fmt::format("{} what cannot be looked at", how));
    if (!name.starts_with('/')) refuse(fmt::format("{} {}, which has no name here", how, name));
    all_.emplace(Held{name, about.st_dev, about.st_ino, access}, std::move(how));
  }
  void add_program() {
    add(process_ / "exe", "runs", X_OK);
    (void)::stat((process_ / "exe").c_str(), &program_);
  }
  void add_descriptors() {
    for (const auto& entry : in(process_ / "fd")) {
      const auto& link = entry.path();
      const auto name = link_of(link);
      const auto number = link.filename().string();
      if (name.starts_with("socket:[")) {
        const auto under_way = numbers_of(text_of(process_ / "fdinfo" / number), "scm_fds");
        if (!under_way.empty() && under_way[0] != 0) {
          refuse("has a socket in which open files are on their way (fd " + number + ")");
        }
        continue;
      }
      struct stat about {};
      const bool is_log = ::stat(link.c_str(), &about) == 0 && is_same_file(about, log_);
      const bool has_no_name = name.starts_with("pipe:[") || name.starts_with("anon_inode:");
      if (has_no_name || is_nameless_memory(name) || is_log) continue;
      add(link, "has open (fd " + number + ")", access_by(link));
    }
  }
  void add_mappings() {
    const auto shared = shared_ranges(process_);
    for (const auto& entry : in(process_ / "map_files")) {
      const auto& link = entry.path();
      const auto name = link_of(link);
      if (is_nameless_memory(name) || name.starts_with("anon_inode:")) continue;
      auto access = access_by(link);
      if (!shared.contains(link.filename().string())) access &= ~W_OK;
      struct stat about {};
      // A program may be there to be run alone.
      if (::stat(link.c_str(), &about) == 0 && is_same_file(about, program_)) access &= ~R_OK;
      add(link, "maps", access);
    }
  }

  pid_t pid_;
  fs::path process_;
  const struct stat& log_;
  struct stat program_ {};
  std::map<Held, std::string> all_;
};

bool become(const Owner& owner) {
  return ::setgroups(owner.groups.size(), owner.groups.data()) == 0 &&
         ::setresgid(owner.gid, owner.gid, owner.gid) == 0 &&
         ::setresuid(owner.uid, owner.uid, owner.uid) == 0;
}

/// Whether this process's user gets to the same thing by its name, and may have it so.
bool may_have(const Held& held) {
  const Descriptor place(::open(held.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat about {};
  if (!place || ::fstat(place.get(), &about) != 0) return false;
  if (about.st_dev != held.device || about.st_ino != held.inode) return false;
  return held.access == 0 || may_open(place.get(), held.access);
}

/// In a process of its own, which sees the mounts that `pid` sees. The place of the first that
/// `owner` may not have.
std::size_t first_refused(pid_t pid, const Owner& owner, const Holdings& holdings) {
  auto pipe = make_pipe();
  const auto asked = ::fork();
  if (asked < 0) throw os_error("fork");
  if (asked == 0) {
    const Descriptor mounts(
        ::open(fmt::format("/proc/{}/ns/mnt", pid).c_str(), O_RDONLY | O_CLOEXEC));
    if (!mounts || ::setns(mounts.get(), CLONE_NEWNS) != 0 || !become(owner)) ::_exit(1);
    auto found = kNoneRefused;
    std::size_t place = 0;
    for (const auto& [held, how] : holdings.all()) {
      if (found == kNoneRefused && !may_have(held)) found = place;
      ++place;
    }
    ::_exit(::write(pipe.write.get(), &found, sizeof(found)) == sizeof(found) ? 0 : 1);
  }
  pipe.write.reset();
  std::size_t found = 0;
  const bool answered = ::read(pipe.read.get(), &found, sizeof(found)) == sizeof(found);
  int status = 0;
  while (::waitpid(asked, &status, 0) < 0 && errno == EINTR) {
  }
  if (!answered) holdings.refuse("holds files that could not be looked at as its user");
  return found;
}

}  // namespace

void check_held_files(const std::vector<pid_t>& processes, const struct stat& log) {
  std::optional<uid_t> user;
  for (const auto pid : processes) {
    const auto owner = owner_of(pid);
    if (!owner) throw Error(Code::refused, fmt::format("process {} is gone", pid));
    if (text_of(fmt::format("/proc/{}/status", pid)).find("\nState:\tZ") != std::string::npos) {
      continue;
    }
    if (!user) user = owner->uid;
    if (*user == 0 && owner->uid == 0) continue;
    if (*user != 0 && owner->uid != *user) {
      throw Error(Code::refused,
                  fmt::format("process {} belongs to uid {} and the job to uid {}: end it first",
                              pid, owner->uid, *user));
    }
    const Holdings holdings(pid, log);
    const auto refused = first_refused(pid, *owner, holdings);
    if (refused == kNoneRefused) continue;
    std::size_t place = 0;
    for (const auto& [held, how] : holdings.all()) {
      if (place++ != refused) continue;
      holdings.refuse(
          fmt::format("{} {}, which its user (uid {}) may not open so here, or which was replaced "
                      "meanwhile: nothing of the job ran; put it back, or let the job close it",
                      how, held.name, owner->uid));
    }
  }
}

}  // namespace cardswap::criu
