#include "agent/report/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "agent/base/replace_file.h"
#include "agent/base/units.h"
#include "agent/base/write_all.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap::report {
namespace {

namespace fs = std::filesystem;

constexpr int kLinksMax = 40;

[[noreturn]] void fail(const std::string& file, int error) {
  throw Error(Code::io,
              fmt::format("cannot write {}: {}", file, std::generic_category().message(error)),
              "name a file in a folder that exists and that you may write to, or - for stdout");
}

/// Replaces `file`. `mode` is that of this user's file that was there, which is kept. The temporary
/// name is random, because others may make files in the folder, as in /tmp.
void replace(const fs::path& file, std::optional<mode_t> mode, std::string_view content) {
  const int error = try_replace_file(file, content,
                                     {.mode = mode.value_or(0666),
                                      .exact_mode = mode.has_value(),
                                      .suffix = "." + random_hex(4) + ".new"});
  if (error != 0) fail(file.string(), error);
}

[[noreturn]] void refuse(const std::string& file, const std::string& why) {
  throw Error(Code::io, fmt::format("cannot write {}: {}", file, why),
              "move it away, or name another file");
}

bool is_ours(const struct stat& facts) { return facts.st_uid == ::geteuid() || facts.st_uid == 0; }

/// The path that `file` leads to by links of this user or root, so that the link stays and its
/// target is written. `facts` are those of the target; nothing if it does not exist.
fs::path behind_links(const std::string& file, std::optional<struct stat>& facts) {
  fs::path at = file;
  for (int links = 0; links < kLinksMax; ++links) {
    struct stat found {};
    if (::lstat(at.c_str(), &found) != 0) {
      facts.reset();
      return at;
    }
    facts = found;
    if (!S_ISLNK(found.st_mode)) return at;
    if (!is_ours(found)) {
      refuse(file, fmt::format("{} is a link of uid {}, who would choose what is written",
                               at.string(), found.st_uid));
    }
    std::error_code error;
    const auto next = at.parent_path() / fs::read_symlink(at, error);
    struct stat there {};
    // A pipe under /proc has no path, and its target is open already.
    if (::lstat(next.c_str(), &there) != 0 && ::stat(at.c_str(), &there) == 0) {
      facts = there;
      return at;
    }
    at = next;
  }
  fail(file, ELOOP);
}

/// Writes to a pipe or a device. A pipe that nobody reads is an error.
void write_special(const std::string& file, const fs::path& path, std::string_view content) {
  const Descriptor out(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat facts {};
  if (out.get() < 0 || ::fstat(out.get(), &facts) != 0) fail(file, errno);
  if (S_ISREG(facts.st_mode)) refuse(file, "it was replaced meanwhile");
  if (::fcntl(out.get(), F_SETFL, 0) != 0) fail(file, errno);
  if (const int error = write_all(out.get(), content); error != 0) fail(file, error);
}

}  // namespace

void write_output(const std::string& file, std::string_view content) {
  if (file == "-") {
    if (const int error = write_all(STDOUT_FILENO, content); error != 0) fail("stdout", error);
    return;
  }
  std::optional<struct stat> facts;
  const auto path = behind_links(file, facts);
  if (facts && S_ISDIR(facts->st_mode)) fail(file, EISDIR);
  if (facts && !S_ISREG(facts->st_mode)) {
    if (!is_ours(*facts)) {
      refuse(file, fmt::format("it is a pipe or a device of uid {}", facts->st_uid));
    }
    return write_special(file, path, content);
  }
  std::optional<mode_t> mode;
  if (facts && facts->st_uid == ::geteuid()) mode = facts->st_mode & 0777U;
  replace(path, mode, content);
}

}  // namespace cardswap::report
