#include "migrator/tensors/safetensors_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/base/os_error.h"
#include "migrator/tensors/tensor_reader.h"

namespace cardswap::tensors {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = 1U << 20;
constexpr mode_t kFileMode = 0666;  // as the user's mask has it

fs::path with_suffix(fs::path path, const char* suffix) { return path += suffix; }

/// A file that becomes one of `path` when it is kept; until then it has ".partial" behind its name,
/// and is removed with this.
class PartialFile {
 public:
  explicit PartialFile(fs::path path)
      : path_(std::move(path)), partial_(with_suffix(path_, ".partial")) {
    ::unlink(partial_.c_str());  // of one that was killed
    file_.reset(
        ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
    if (!file_) throw os_error("make " + partial_.string());
  }
  ~PartialFile() {
    if (!is_kept_) ::unlink(partial_.c_str());
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto size = ::write(file_.get(), bytes.data(), bytes.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) throw os_error("write " + partial_.string());
      bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
  }
  void flush() const {
    if (::fsync(file_.get()) != 0) throw os_error("flush " + partial_.string());
  }
  void keep(bool may_replace) {
    if (rename_to(may_replace) != 0) throw os_error("rename " + partial_.string());
    is_kept_ = true;
  }

 private:
  [[nodiscard]] int rename_to(bool may_replace) const {
    if (!may_replace) {
      const int done =
          ::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE);
      if (done == 0 || (errno != EINVAL && errno != ENOSYS)) return done;
      // The file system has no such call: it was looked for at the beginning.
    }
    return ::rename(partial_.c_str(), path_.c_str());
  }

  const fs::path path_;
  const fs::path partial_;
  Descriptor file_;
  bool is_kept_ = false;
};

void refuse_existing(const fs::path& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) return;
  throw Error(Code::conflict, fmt::format("{} exists already", path.string()),
              "name another file, or let it be replaced with --force");
}

void flush_folder_of(const fs::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0) throw os_error("flush " + folder.string());
}

/// A line of sha256sum; a name that would break it is escaped as sha256sum does.
std::string sum_line(const store::ObjectId& sha256, const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\r') {
      escaped += "\\r";
    } else {
      escaped += c;
    }
  }
  return fmt::format("{}{}  {}\n", escaped == name ? "" : "\\", to_string(sha256), escaped);
}

void write_tensors(const store::SnapshotReader& reader, const SafetensorsPlan& plan,
                   PartialFile& out, store::IdHasher& hasher) {
  std::vector<std::byte> piece;
  for (const auto& one : plan.tensors) {
    try {
      TensorReader tensor(reader, one.entry);
      for (std::uint64_t at = 0; at < tensor.bytes(); at += piece.size()) {
        piece.resize(std::min<std::uint64_t>(kPieceBytes, tensor.bytes() - at));
        tensor.read(at, piece);
        hasher.add(piece);
        out.write(piece);
      }
    } catch (const Error& error) {
      throw error.within("tensor " + one.entry.name);
    }
  }
}

}  // namespace

WrittenFile write_safetensors(const store::SnapshotReader& reader, const SafetensorsPlan& plan,
                              const fs::path& file, bool may_replace) {
  const auto sum_path = with_suffix(file, ".sha256");
  if (!may_replace) {
    refuse_existing(file);
    refuse_existing(sum_path);
  }
  PartialFile out(file);
  store::IdHasher hasher;
  const auto header = std::as_bytes(std::span(plan.header));
  hasher.add(header);
  out.write(header);
  write_tensors(reader, plan, out, hasher);
  out.flush();
  const auto sha256 = hasher.finish();

  PartialFile sum(sum_path);
  const auto line = sum_line(sha256, file.filename().string());
  sum.write(std::as_bytes(std::span(line)));
  sum.flush();
  out.keep(may_replace);
  sum.keep(may_replace);
  flush_folder_of(file);
  return {plan.bytes, sha256};
}

}  // namespace cardswap::tensors
