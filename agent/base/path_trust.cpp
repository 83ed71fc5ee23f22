#include "agent/base/path_trust.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

namespace fs = std::filesystem;

constexpr int kLinksMax = 40;

/// What is wrong with one part; `last` is the path's own end.
std::string fault_of(const fs::path& part, const struct stat& facts, bool last) {
  const auto us = ::geteuid();
  if (facts.st_uid != 0 && facts.st_uid != us) {
    return fmt::format("{} belongs to uid {}", part.string(), facts.st_uid);
  }
  if (S_ISLNK(facts.st_mode)) return {};  // its folder says who may replace it
  const bool sticky = S_ISDIR(facts.st_mode) && (facts.st_mode & S_ISVTX) != 0 && !last;
  if (sticky) return {};
  const bool group = (facts.st_mode & S_IWGRP) != 0 && (last || (us == 0 && facts.st_gid != 0));
  if (group || (facts.st_mode & S_IWOTH) != 0) {
    return fmt::format("others than its owner may write {} (mode {:04o})", part.string(),
                       facts.st_mode & 07777U);
  }
  return {};
}

/// Checks the owner and mode of a link, or of the file itself.
void check_facts(std::string_view what, const fs::path& file, const struct stat& facts) {
  const auto us = ::geteuid();
  const bool is_link = S_ISLNK(facts.st_mode);
  if (facts.st_uid != 0 && facts.st_uid != us) {
    throw Error(Code::refused,
                fmt::format("{} {}{} belongs to uid {}, who may change it", what,
                            is_link ? "the link " : "", file.string(), facts.st_uid),
                fmt::format("chown {}{} {}, once you know what it holds", is_link ? "-h " : "", us,
                            file.string()));
  }
  if (is_link) return;
  if (!S_ISREG(facts.st_mode)) {
    throw Error(Code::refused, fmt::format("{} {} is no regular file", what, file.string()),
                "name a file that holds it");
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  throw Error(Code::refused,
              fmt::format("others than its owner may write {} {} (mode {:04o})", what,
                          file.string(), facts.st_mode & 07777U),
              fmt::format("chmod go-w {}, once you know what it holds", file.string()));
}

}  // namespace

std::string untrusted_part_of(const fs::path& path) {
  std::error_code error;
  const auto whole = fs::absolute(path, error);
  std::deque<fs::path> left;
  for (const auto& part : whole.relative_path()) left.push_back(part);
  fs::path at = "/";
  for (int links = 0; !left.empty();) {
    const auto part = left.front();
    left.pop_front();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      at = at.parent_path();
      continue;
    }
    const auto next = at / part;
    struct stat facts {};
    if (::lstat(next.c_str(), &facts) != 0) {
      return fmt::format("{}: {}", next.string(), std::strerror(errno));
    }
    if (auto fault = fault_of(next, facts, left.empty()); !fault.empty()) return fault;
    if (!S_ISLNK(facts.st_mode)) {
      at = next;
      continue;
    }
    if (++links > kLinksMax) return fmt::format("{}: too many links", path.string());
    const auto target = fs::read_symlink(next, error);
    if (error) return fmt::format("{}: {}", next.string(), error.message());
    if (target.is_absolute()) at = "/";
    const auto parts = target.relative_path();
    left.insert(left.begin(), parts.begin(), parts.end());
  }
  return {};
}

void check_own_file(std::string_view what, const fs::path& file) {
  struct stat link {};
  struct stat facts {};
  if (::lstat(file.c_str(), &link) != 0 || ::stat(file.c_str(), &facts) != 0) return;
  check_facts(what, file, link);
  check_facts(what, file, facts);
}

std::string read_own_file(std::string_view what, const fs::path& file, std::size_t most) {
  check_own_file(what, file);
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  const auto fail = [&] {
    throw Error(Code::io, fmt::format("read {} {}: {}", what, file.string(), std::strerror(errno)),
                "give the agent's user the right to read it");
  };
  struct stat facts {};
  if (!in || ::fstat(in.get(), &facts) != 0) fail();
  check_facts(what, file, facts);  // what was looked at by its name may have been replaced
  std::string text(most + 1, '\0');
  std::size_t read = 0;
  while (read < text.size()) {
    const auto got = ::read(in.get(), text.data() + read, text.size() - read);
    if (got < 0) fail();
    if (got == 0) break;
    read += static_cast<std::size_t>(got);
  }
  text.resize(read);
  return text;
}

}  // namespace cardswap
