#include "agent/health/sources/kernel_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <vector>

#include "agent/base/boot.h"
#include "agent/base/units.h"
#include "migrator/base/descriptor.h"

namespace cardswap::health {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFileEvery{50};
constexpr milliseconds kAgainEvery{1000};
constexpr int kReadsAtOnce = 256;  // then others get their turn
constexpr std::uint64_t kBacklogMax = 64U << 20;
constexpr std::size_t kRotatedMax = 64;

Descriptor open_log(const std::filesystem::path& path, int how = O_RDONLY) {
  return Descriptor(::open(path.c_str(), how | O_NONBLOCK | O_CLOEXEC));
}

/// One log file that is open: how far it was read, and which of its lines may be old.
class OpenFile {
 public:
  OpenFile(Descriptor file, std::uint64_t offset, KernelReader::Since since, LogCallbacks callbacks)
      : file_(std::move(file)), since_(since), callbacks_(std::move(callbacks)), whole_(offset) {
    ::lseek(file_.get(), static_cast<off_t>(offset), SEEK_SET);
    read_ = offset;
    ::fstat(file_.get(), &first_);
  }

  /// Reads and reports the next bytes; false: there are none now.
  bool read_some() {
    std::array<char, 16384> piece{};
    const auto got = ::read(file_.get(), piece.data(), piece.size());
    if (got <= 0) return false;
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(got));
    cutter_.feed(bytes, [&](std::string_view line) { callbacks_.line(line, since_); });
    if (const auto end = bytes.rfind('\n'); end != std::string_view::npos) {
      whole_ = read_ + end + 1;
    }
    read_ += bytes.size();
    return true;
  }
  void report_cursor(const std::string& boot) {
    callbacks_.cursor({boot, unix_ms(), 0, first_.st_ino, whole_, tail_of(file_.get(), whole_)});
  }
  /// Marks all further lines as new.
  void all_is_new() { since_ = {}; }
  [[nodiscard]] bool replaced(const std::filesystem::path& path) const {
    struct stat now {};
    return ::stat(path.c_str(), &now) != 0 || now.st_ino != first_.st_ino;
  }
  void start_again_if_it_shrank() {
    struct stat now {};
    if (::fstat(file_.get(), &now) != 0 || static_cast<std::uint64_t>(now.st_size) >= read_) return;
    ::lseek(file_.get(), 0, SEEK_SET);
    read_ = whole_ = 0;
    cutter_ = LineCutter();
  }

 private:
  Descriptor file_;
  KernelReader::Since since_;
  LogCallbacks callbacks_;
  LineCutter cutter_;
  std::uint64_t read_ = 0;
  std::uint64_t whole_ = 0;
  struct stat first_ {};
};

struct Part {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  KernelReader::Since since;
};

/// The log's file and its rotated files, oldest first.
std::vector<std::filesystem::path> rotated(const std::filesystem::path& path) {
  struct Found {
    std::filesystem::path path;
    std::int64_t written = 0;
  };
  std::vector<Found> found;
  std::error_code error;
  const auto name = path.filename().string();
  const auto folder = std::filesystem::absolute(path, error).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto other = entry.path().filename().string();
    struct stat facts {};
    if (other == name || !other.starts_with(name) || found.size() >= kRotatedMax ||
        other.ends_with(".gz") || other.ends_with(".xz") || other.ends_with(".zst") ||
        other.ends_with(".bz2") || ::stat(entry.path().c_str(), &facts) != 0 ||
        !S_ISREG(facts.st_mode)) {
      continue;
    }
    found.push_back({entry.path(), facts.st_mtim.tv_sec * 1'000'000'000LL + facts.st_mtim.tv_nsec});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::pair(a.written, b.path) < std::pair(b.written, a.path);  // log.2 before log.1
  });
  std::vector<std::filesystem::path> paths;
  for (auto& one : found) paths.push_back(std::move(one.path));
  paths.push_back(path);
  return paths;
}

/// Whether the bytes before the cursor are those that were read.
bool holds(const std::filesystem::path& path, const LogCursor& cursor) {
  const auto file = open_log(path);
  return file.get() >= 0 && !cursor.tail.empty() &&
         tail_of(file.get(), cursor.offset) == cursor.tail;
}

/// The parts of the log that were written after `cursor`, in their order.
std::vector<Part> unread_of(const std::filesystem::path& path, const LogCursor& cursor,
                            const LogCallbacks& callbacks) {
  KernelReader::Since since;
  since.other_boot = cursor.boot != boot_id();
  since.wall = since.other_boot ? booted_at_ms() : 0;
  const auto files = rotated(path);
  // The same file under any name; else a copy of it whose original was emptied.
  const auto same = [&](bool by_inode) {
    return std::find_if(files.begin(), files.end(), [&](const auto& file) {
      struct stat facts {};
      const bool is = ::stat(file.c_str(), &facts) == 0 && facts.st_ino == cursor.inode;
      return (!by_inode || is) && holds(file, cursor);
    });
  };
  auto left = same(true);
  if (left == files.end() && cursor.offset == 0) return {{path, 0, since}};
  if (left == files.end()) left = same(false);
  std::vector<Part> parts;
  if (left == files.end()) {
    callbacks.lost(
        fmt::format("{} is another file than was read before, and the former one is not "
                    "beside it: it is read from its start",
                    path.string()));
    since.wall = std::max(since.wall, cursor.at);
    return {{path, 0, since}};
  }
  for (auto file = left; file != files.end(); ++file) {
    parts.push_back({*file, file == left ? cursor.offset : 0, since});
  }
  return parts;
}

/// Follows a regular file by polling: epoll does not support regular files.
asio::awaitable<void> follow_file(std::filesystem::path path, Part part, bool last,
                                  LogCallbacks callbacks) {
  auto file = open_log(part.path);
  if (file.get() < 0) co_return;
  struct stat facts {};
  ::fstat(file.get(), &facts);
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size > part.offset + kBacklogMax) {
    callbacks.lost(fmt::format("{} grew by {} since it was read; only its end is read now",
                               part.path.string(), format_size(size - part.offset)));
    part.offset = size - kBacklogMax;
  }
  const auto boot = boot_id();
  OpenFile open(std::move(file), part.offset, part.since, callbacks);
  bool caught_up = false;
  bool leaving = false;
  bool moved = true;
  while (true) {
    int reads = 0;
    while (reads < kReadsAtOnce && open.read_some()) ++reads;
    moved = moved || reads > 0;
    if (reads == kReadsAtOnce) {
      co_await asio::post(asio::use_awaitable);
      continue;
    }
    if (last && std::exchange(moved, false)) open.report_cursor(boot);
    if (!last || leaving) co_return;
    if (!std::exchange(caught_up, true)) {
      open.all_is_new();
      callbacks.caught_up();
    }
    co_await pause_for(kFileEvery);
    // After the file was replaced, its remaining bytes are read first.
    leaving = open.replaced(path);
    if (!leaving) open.start_again_if_it_shrank();
  }
}

/// Follows /dev/kmsg or a fifo. /dev/kmsg gives one record for each read, and EPIPE when records
/// were overwritten before they were read. `skip`: the records that are there already are not
/// reported.
asio::awaitable<void> follow_device(asio::io_context& context, int fd,
                                    std::optional<LogCursor> from, bool is_kmsg, bool skip,
                                    LogCallbacks callbacks) {
  asio::posix::stream_descriptor device(context, fd);
  device.non_blocking(true);
  LineCutter cutter;
  std::array<char, 8192> piece{};
  const auto boot = boot_id();
  // After a reboot all records are new.
  const std::uint64_t known = from && from->boot == boot ? from->sequence : 0;
  std::uint64_t last = known;
  bool caught_up = false;
  const auto take = [&](std::string_view line) {
    const auto sequence = is_kmsg ? kmsg_sequence(line) : std::nullopt;
    if (sequence) {
      if (known > 0 && *sequence <= known) return;
      if (last > 0 && *sequence > last + 1) {
        callbacks.lost(
            fmt::format("{} records of the kernel log were overwritten before they were "
                        "read",
                        *sequence - last - 1));
      }
      last = *sequence;
    }
    if (!skip) callbacks.line(line, {});
  };
  bool empty = false;  // nothing is waited for before all that is there has been read
  while (true) {
    if (empty) {
      co_await device.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    }
    const auto before = last;
    empty = false;
    for (int i = 0; i < kReadsAtOnce && !empty; ++i) {
      const auto got = ::read(device.native_handle(), piece.data(), piece.size());
      if (got < 0 && errno == EPIPE) continue;
      empty = got < 0 && (errno == EAGAIN || errno == EINTR);
      if (empty) break;
      if (got <= 0) co_return;
      cutter.feed({piece.data(), static_cast<std::size_t>(got)}, take);
    }
    if (is_kmsg && last != before) callbacks.cursor({boot, unix_ms(), last, 0, 0, {}});
    if (empty) skip = false;
    if (empty && !std::exchange(caught_up, true)) callbacks.caught_up();
    co_await asio::post(asio::use_awaitable);
  }
}

}  // namespace

void LineCutter::feed(std::string_view bytes, const std::function<void(std::string_view)>& line) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto part = bytes.substr(0, end);
    open_.append(part.substr(0, most_ - std::min(most_, open_.size())));
    if (end == std::string_view::npos) return;
    line(open_);
    open_.clear();
    bytes.remove_prefix(end + 1);
  }
}

asio::awaitable<void> follow_log(asio::io_context& context, std::filesystem::path path,
                                 std::optional<LogCursor> from, LogCallbacks callbacks) {
  bool from_start = false;
  while (true) {
    struct stat kind {};
    const bool there = ::stat(path.c_str(), &kind) == 0;
    // Opened for reading and writing: a fifo then has no end when its writer closes it.
    auto file = open_log(path, there && S_ISFIFO(kind.st_mode) ? O_RDWR : O_RDONLY);
    if (file.get() < 0) {
      callbacks.state(fmt::format("{}: {}", path.string(), std::strerror(errno)));
      from_start = true;  // what is made later is all new
      co_await pause_for(kAgainEvery);
      continue;
    }
    callbacks.state("ok");
    if (S_ISREG(kind.st_mode)) {
      std::vector<Part> parts;
      if (from) {
        parts = unread_of(path, *from, callbacks);
        from.reset();
      } else {
        parts.push_back({path, from_start ? 0 : static_cast<std::uint64_t>(kind.st_size), {}});
      }
      from_start = true;
      for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto part = parts[i];
        co_await follow_file(path, part, i + 1 == parts.size(), callbacks);
      }
    } else {
      const bool is_kmsg = S_ISCHR(kind.st_mode);
      const bool skip = is_kmsg && !from && !from_start;
      const auto left = from;
      from.reset();
      from_start = true;
      co_await follow_device(context, file.release(), left, is_kmsg, skip, callbacks);
    }
    co_await pause_for(kFileEvery);
  }
}

}  // namespace cardswap::health
