#include "runtime/agent_channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "migrator/base/environment.h"
#include "migrator/base/os_error.h"
#include "migrator/base/unix_address.h"
#include "migrator/wire/frame_reader.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kAnswerMax{10'000};
constexpr std::chrono::seconds kConnectMax{5};
constexpr std::chrono::seconds kReconnectMax{1};  // cannot be interrupted, and close() waits for it
constexpr milliseconds kWriteMax{1'000};
constexpr milliseconds kTick{100};
constexpr milliseconds kRefusedPause{10'000};
constexpr std::size_t kQueueBytesMax = 4U << 20;

std::string because(int error) { return std::strerror(error); }

/// The pause before the next try to reach an agent that is away.
milliseconds retry_pause(int attempt) {
  return milliseconds(std::min(100 << std::min(attempt, 4), 1000));
}

/// Makes a connect() of the socket fail after `deadline`.
void limit_sending(int socket, Clock::time_point deadline) {
  using std::chrono::microseconds;
  // Zero would be no limit.
  const auto left =
      std::max(std::chrono::ceil<microseconds>(deadline - Clock::now()), microseconds{1});
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timeval limit{.tv_sec = seconds.count(), .tv_usec = (left - seconds).count()};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/// Adds the network namespace: the agent knows addresses of its own network only.
std::vector<std::byte> greeting(channel::Hello hello) {
  struct stat about {};
  if (::stat("/proc/self/ns/net", &about) == 0) hello.network = about.st_ino;
  return channel::encode(hello);
}

}  // namespace

/// A unix stream socket.
class AgentChannel::Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  [[nodiscard]] int fd() const { return fd_.get(); }

  static std::unique_ptr<Socket> connect(const std::string& path, std::chrono::seconds most) {
    const auto address = unix_address(path);
    if (!address) {
      throw Error(Code::bad_request, fmt::format("the socket path {} is too long", path),
                  fmt::format("{} may have {} bytes", environment::kSocket, kSocketPathBytesMax));
    }
    auto socket = std::make_unique<Socket>(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket->fd() < 0) throw os_error("open a socket for the agent's answers");
    // The listener's queue may be full: many programs that connect at once must not end a job.
    const auto deadline = Clock::now() + most;
    limit_sending(socket->fd(), deadline);
    while (::connect(socket->fd(), reinterpret_cast<const sockaddr*>(&*address),
                     sizeof(*address)) != 0) {
      // A signal that the program handles interrupts the wait; the wait goes on for the rest.
      if (errno == EINTR && Clock::now() < deadline) {
        limit_sending(socket->fd(), deadline);
        continue;
      }
      throw Error(Code::unreachable,
                  fmt::format("no agent answers at {}: {}", path, because(errno)),
                  fmt::format("is cardswapd running? A program started without `cardswap run` "
                              "needs no {}",
                              environment::kSocket));
    }
    ::fcntl(socket->fd(), F_SETFL, O_NONBLOCK);
    return socket;
  }

  /// Waits for a whole message. Nullopt at the end of the stream, at the deadline, or when `stop`
  /// is requested and `wake` notified.
  std::optional<channel::Message> receive(Clock::time_point deadline, const EventFd& wake,
                                          const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (auto body = frames_.next()) return channel::decode(*body);
      std::array<pollfd, 2> fds{{{fd_.get(), POLLIN, 0}, {wake.fd(), POLLIN, 0}}};
      const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return std::nullopt;
      const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(left));
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) return std::nullopt;
      if ((fds[1].revents & POLLIN) != 0) wake.clear();
      if (fds[0].revents != 0 && !read()) return std::nullopt;
    }
    return std::nullopt;
  }
  /// Reads what has arrived. False: the peer has closed the connection.
  bool read() {
    std::array<std::byte, 16384> piece{};
    const auto got = ::recv(fd_.get(), piece.data(), piece.size(), 0);
    if (got > 0) {
      frames_.feed(std::span(piece).first(static_cast<std::size_t>(got)));
      return true;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR);
  }
  channel::FrameReader& frames() { return frames_; }

  /// Writes all bytes. False: the peer is gone, or did not read them by `deadline`.
  bool write(std::span<const std::byte> bytes, Clock::time_point deadline) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
        continue;
      }
      if (errno != EAGAIN && errno != EINTR) return false;
      pollfd fd{fd_.get(), POLLOUT, 0};
      if (Clock::now() > deadline) return false;
      if (::poll(&fd, 1, 100) < 0 && errno != EINTR) return false;
    }
    return true;
  }

 private:
  const Descriptor fd_;
  channel::FrameReader frames_;
};

AgentChannel::AgentChannel(std::string path, Callbacks callbacks)
    : path_(std::move(path)),
      callbacks_(std::move(callbacks)),
      socket_(Socket::connect(path_, kConnectMax)) {
  socket_->write(greeting(callbacks_.hello()), Clock::now() + kWriteMax);
  const auto answer = socket_->receive(Clock::now() + kAnswerMax, wake_, {});
  if (!answer) {
    throw Error(Code::unreachable, fmt::format("the agent at {} did not answer", path_),
                "look at the agent's log");
  }
  if (const auto* refused = std::get_if<channel::Refused>(&*answer)) {
    throw Error(refused->code, refused->failure, refused->hint);
  }
  const auto* welcome = std::get_if<channel::Welcome>(&*answer);
  if (welcome == nullptr) {
    throw Error(Code::protocol_mismatch, fmt::format("the agent at {} speaks differently", path_),
                "run the same Cardswap release for the agent and in the program");
  }
  welcome_ = *welcome;
  inode_ = inode();
}

AgentChannel::~AgentChannel() { close(); }

void AgentChannel::close() {
  thread_.request_stop();
  wake_.notify();
  if (thread_.is_joinable()) thread_.join();
}

void AgentChannel::start() {
  {
    const MutexLock lock(mutex_);
    connected_ = true;
  }
  thread_ = GuestThread([this](const std::stop_token& stop) { run(stop); });
}

void AgentChannel::send(const channel::Message& message) {
  auto frame = channel::encode(message);
  const MutexLock lock(mutex_);
  if (!connected_) return;
  // The agent would not notice a gap: a new connection tells it the whole state.
  if (queued_bytes_ + frame.size() > kQueueBytesMax) {
    connected_ = false;
  } else {
    queued_bytes_ += frame.size();
    queue_.push_back(std::move(frame));
  }
  wake_.notify();
}

void AgentChannel::run(const std::stop_token& stop) {
  // The first connection is served even if close() came before this thread: messages are queued.
  for (int attempt = 0; socket_ || !stop.stop_requested();) {
    try {
      if (!socket_) come_back(stop);
      attempt = 0;
      serve(*socket_, stop);
    } catch (const std::exception&) {
      // The agent is away or does not know this job any more; it may come back. A callback's
      // exception is on standard error by now.
    }
    {
      const MutexLock lock(mutex_);
      connected_ = false;
      queue_.clear();
      queued_bytes_ = 0;
    }
    leave(stop);
    wait(stop, refused_ ? kRefusedPause : retry_pause(attempt++));
  }
}

void AgentChannel::come_back(const std::stop_token& stop) {
  refused_ = false;
  socket_ = Socket::connect(path_, kReconnectMax);
  inode_ = inode();
  channel::Hello hello;
  call([&] { hello = callbacks_.hello(); });
  socket_->write(greeting(std::move(hello)), Clock::now() + kWriteMax);
  const auto answer = socket_->receive(Clock::now() + kAnswerMax, wake_, stop);
  if (answer) {
    if (const auto* refused = std::get_if<channel::Refused>(&*answer)) log_refusal(*refused);
  }
  if (!answer || !std::holds_alternative<channel::Welcome>(*answer)) {
    throw Error(Code::refused, "the agent did not take this job back");
  }
  logged_refusal_.clear();
  const MutexLock lock(mutex_);
  connected_ = true;
}

void AgentChannel::call(const std::function<void()>& handler) {
  try {
    handler();
  } catch (...) {
    const auto why = error_of(std::current_exception());
    if (std::exchange(logged_failure_, why.what()) != why.what()) {
      log_line(fmt::format("the agent at {} could not be served, and is connected to anew: {}",
                           path_, why.what()));
    }
    throw Error(why);
  }
}

/// Writes to standard error, which is the job's log: a trainer has no logger of Cardswap's.
void AgentChannel::log_line(const std::string& text) {
  const auto line = fmt::format("cardswap: {}\n", text);
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

void AgentChannel::log_refusal(const channel::Refused& refused) {
  refused_ = refused.code == Code::unauthorized || refused.code == Code::protocol_mismatch;
  const Error why(refused.code, refused.failure, refused.hint);
  if (logged_refusal_ == why.what()) return;
  logged_refusal_ = why.what();
  log_line(
      fmt::format("the agent at {} does not take this job back, which trains on without it: {}",
                  path_, logged_refusal_));
}

void AgentChannel::leave(const std::stop_token& stop) {
  const bool is_copy = socket_ && inode() != inode_;
  socket_.reset();
  while (is_copy && !stop.stop_requested()) wait(stop, retry_pause(0));
}

std::uint64_t AgentChannel::inode() const {
  struct stat status {};
  return ::fstat(socket_->fd(), &status) == 0 ? status.st_ino : 0;
}

void AgentChannel::redirect(std::string path) {
  path_ = std::move(path);
  inode_ = inode();
}

void AgentChannel::wait(const std::stop_token& stop, milliseconds length) {
  const auto deadline = Clock::now() + length;
  while (!stop.stop_requested() && Clock::now() < deadline) {
    pollfd fd{wake_.fd(), POLLIN, 0};
    ::poll(&fd, 1,
           static_cast<int>(std::chrono::ceil<milliseconds>(deadline - Clock::now()).count()));
    if ((fd.revents & POLLIN) != 0) {
      wake_.clear();
    }
  }
}

bool AgentChannel::flush(Socket& socket, const std::stop_token& stop) {
  std::deque<std::vector<std::byte>> frames;
  {
    const MutexLock lock(mutex_);
    if (!connected_) return false;  // a message did not fit into the queue
    frames.swap(queue_);
    queued_bytes_ = 0;
  }
  for (const auto& frame : frames) {
    const auto one = Clock::now() + kWriteMax;
    if (stop.stop_requested()) last_ = std::min(last_, one);
    if (!socket.write(frame, std::min(one, last_))) return false;
  }
  return true;
}

void AgentChannel::serve(Socket& socket, const std::stop_token& stop) {
  auto tick_due = Clock::now();
  while (true) {
    const bool ends = stop.stop_requested();
    if (!flush(socket, stop)) return;
    if (ends) return;
    while (auto body = socket.frames().next()) {
      const auto message = channel::decode(*body);
      call([&] { callbacks_.message(message); });
    }
    // A restored process may find its clock set back.
    if (Clock::now() >= tick_due || tick_due - Clock::now() > kTick) {
      tick_due = Clock::now() + kTick;
      if (callbacks_.tick) call(callbacks_.tick);
      if (!flush(socket, stop)) return;
    }
    std::array<pollfd, 2> fds{{{socket.fd(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}}};
    const auto left = std::chrono::ceil<milliseconds>(tick_due - Clock::now()).count();
    ::poll(fds.data(), fds.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
    if ((fds[1].revents & POLLIN) != 0) {
      wake_.clear();
    }
    if (fds[0].revents != 0 && !socket.read()) return;
  }
}

}  // namespace cardswap
