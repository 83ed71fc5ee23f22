#include "agent/health/kernel_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cstring>

namespace cardswap::health {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFileEvery{50};
constexpr milliseconds kAgainEvery{1000};
constexpr int kReadsAtOnce = 256;  // then others get their turn

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// A file that a test or a log daemon writes: epoll does not know such.
asio::awaitable<void> follow_file(int fd, std::filesystem::path path,
                                  std::function<void(std::string_view)> line) {
  const Descriptor file(fd);
  LineCutter cutter;
  std::array<char, 16384> piece{};
  struct stat first {};
  ::fstat(fd, &first);
  while (true) {
    const auto got = ::read(fd, piece.data(), piece.size());
    if (got > 0) {
      cutter.feed({piece.data(), static_cast<std::size_t>(got)}, line);
      continue;
    }
    co_await pause_for(kFileEvery);
    struct stat now {};
    if (::stat(path.c_str(), &now) != 0 || now.st_ino != first.st_ino) co_return;
    if (now.st_size < ::lseek(fd, 0, SEEK_CUR)) ::lseek(fd, 0, SEEK_SET);
  }
}

/// /dev/kmsg gives one record a read, and EPIPE when records were overwritten before they were
/// read.
asio::awaitable<void> follow_device(asio::io_context& context, int fd,
                                    std::function<void(std::string_view)> line) {
  asio::posix::stream_descriptor device(context, fd);
  device.non_blocking(true);
  LineCutter cutter(8192);
  std::array<char, 8192> piece{};
  while (true) {
    co_await device.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    for (int i = 0; i < kReadsAtOnce; ++i) {
      const auto got = ::read(device.native_handle(), piece.data(), piece.size());
      if (got < 0 && errno == EPIPE) continue;
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (got <= 0) co_return;
      cutter.feed({piece.data(), static_cast<std::size_t>(got)}, line);
    }
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
                                 std::function<void(std::string_view)> line,
                                 std::function<void(std::string)> state) {
  bool from_start = false;
  while (true) {
    struct stat kind {};
    const bool there = ::stat(path.c_str(), &kind) == 0;
    // Read and write: a fifo then has no end when its writer goes.
    const int how = there && S_ISFIFO(kind.st_mode) ? O_RDWR : O_RDONLY;
    Descriptor file(::open(path.c_str(), how | O_NONBLOCK | O_CLOEXEC));
    if (file.get() < 0) {
      state(fmt::format("{}: {}", path.string(), std::strerror(errno)));
      from_start = true;  // what is made later is all new
      co_await pause_for(kAgainEvery);
      continue;
    }
    state("ok");
    if (!from_start && !S_ISFIFO(kind.st_mode)) ::lseek(file.get(), 0, SEEK_END);
    from_start = true;
    if (S_ISREG(kind.st_mode)) {
      co_await follow_file(file.release(), path, line);
    } else {
      co_await follow_device(context, file.release(), line);
    }
    co_await pause_for(kFileEvery);
  }
}

}  // namespace cardswap::health
