#include "agent/attach/runtime_hub.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <deque>
#include <optional>

#include "agent/attach/peer_check.h"
#include "agent/base/printable.h"
#include "agent/base/socket_file.h"
#include "agent/base/time_limit.h"
#include "agent/jobs/rank_report.h"
#include "agent/jobs/runtime_report.h"
#include "agent/process/process_tree.h"
#include "migrator/base/error.h"
#include "migrator/wire/frame_reader.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kHelloTimeMax{2};
constexpr std::chrono::seconds kLookAgain{1};
constexpr std::size_t kHelloBytesMax = 4096;
constexpr std::size_t kNameBytesMax = 63;
constexpr std::size_t kUnreadBytesMax = 1U << 20;
constexpr std::chrono::seconds kTellEvery{10};
constexpr int kRefusalsLoggedMax = 16;  // refusals in that time that have a line each

/// A name that an unknown process sent, made safe and short for the log.
std::string named(std::string_view name) { return excerpt(name, kNameBytesMax); }
/// The key of a connection: the instance, and of a job of many ranks the rank.
std::string key_of(const Instance& instance, std::optional<std::uint32_t> rank) {
  return rank ? fmt::format("{}/{}", instance.id(), *rank) : instance.id();
}

}  // namespace

/// One runtime's connection; owned by its reader and its writer, and by the hub while attached.
class RuntimeHub::Connection {
 public:
  explicit Connection(asio::local::stream_protocol::socket accepted)
      : socket(std::move(accepted)) {}

  asio::local::stream_protocol::socket socket;
  pid_t process = 0;  // at its other end; 0: the agent made the connection itself
  channel::FrameReader frames;
  std::deque<std::vector<std::byte>> out;
  std::size_t unread = 0;  // bytes that the socket has not taken yet
  Signal queued;
  std::optional<TimeLimit> patience;  // until its Hello
  std::string of;   // the job of whose session it is, by instance; empty: a stranger's
  std::string key;  // while attached: key_of()
  std::optional<std::uint32_t> rank;  // of a job of many
  bool closed = false;

  void limit_silence(asio::io_context& context) {
    patience.emplace(context.get_executor(), kHelloTimeMax, [this] { close(); });
  }
  /// The connection of a runtime that reads nothing is closed, as if it were gone.
  void send(const channel::Message& message) {
    if (closed) return;
    auto frame = channel::encode(message);
    if (unread + frame.size() > kUnreadBytesMax) {
      spdlog::warn("process {} reads nothing of what its agent says: its connection is closed",
                   process);
      return close();
    }
    unread += frame.size();
    out.push_back(std::move(frame));
    queued.notify();
  }
  /// Its process still has it, though what it says may not have been read yet.
  [[nodiscard]] bool is_in_use() {
    std::byte next{};
    return !closed &&
           ::recv(socket.native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL) != 0;
  }
  void close() {
    closed = true;
    boost::system::error_code ignored;
    socket.close(ignored);
    patience.reset();
    queued.notify();
  }
};

RuntimeHub::RuntimeHub(asio::io_context& context, TaskGroup& tasks, JobList& jobs,
                       Callbacks callbacks)
    : context_(context),
      tasks_(tasks),
      jobs_(jobs),
      callbacks_(std::move(callbacks)),
      acceptor_(context) {}

RuntimeHub::~RuntimeHub() { close(); }

void RuntimeHub::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (auto& [instance, connection] : attached_) connection->close();
  for (auto& connection : newcomers_) connection->close();
}

void RuntimeHub::listen(const std::filesystem::path& path) {
  path_ = path;
  try {
    remove_old_socket(path, "it is in the data folder: look what has made it there");
    acceptor_.open();
    acceptor_.bind(asio::local::stream_protocol::endpoint(path.string()));
    // Jobs of other users come here too; who may attach is decided by token and process.
    ::chmod(path.c_str(), ::geteuid() == 0 ? 0666 : 0600);
    acceptor_.listen();
  } catch (const boost::system::system_error& error) {
    throw Error(Code::io, fmt::format("listen on {}: {}", path.string(), error.code().message()),
                "choose a shorter --data-dir (a socket's path has at most 107 bytes)");
  }
  tasks_.spawn("accept runtimes", accept());
}

asio::awaitable<void> RuntimeHub::accept() {
  while (acceptor_.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      co_await pause_for(std::chrono::milliseconds(50));
      continue;
    }
    const auto connection = let_in(std::move(socket));
    if (!connection) continue;
    tasks_.spawn("a runtime's connection", serve(connection, {}));
    tasks_.spawn("a runtime's writer", write(connection));
  }
}

bool RuntimeHub::has_job_of(uid_t user) const {
  return std::ranges::any_of(jobs_.instances(), [&](const Instance* instance) {
    struct stat process {};
    const auto path = fmt::format("/proc/{}", instance->program().pid);
    return instance->is_live() && ::stat(path.c_str(), &process) == 0 && process.st_uid == user;
  });
}

std::shared_ptr<RuntimeHub::Connection> RuntimeHub::let_in(
    asio::local::stream_protocol::socket socket) {
  const auto peer = peer_of(socket.native_handle());
  const auto session = session_of(peer);
  const auto all = jobs_.instances();
  const auto leader = std::ranges::find_if(all, [&](const Instance* instance) {
    return instance->is_live() && instance->program().pid == session;
  });
  const bool is_known = leader != all.end() || peer.uid == 0 || peer.uid == ::geteuid();
  if (!is_known && !has_job_of(peer.uid) &&
      std::ranges::none_of(all, &Instance::is_being_started)) {
    spdlog::debug("process {} of uid {} belongs to no job", peer.pid, peer.uid);
    return nullptr;
  }
  auto connection = std::make_shared<Connection>(std::move(socket));
  if (leader != all.end()) connection->of = (*leader)->id();
  const auto alike = [&](const std::shared_ptr<Connection>& other) {
    return other->of == connection->of;
  };
  const auto most = connection->of.empty() ? kStrangersMax : kOfAJobMax;
  if (static_cast<std::size_t>(std::count_if(newcomers_.begin(), newcomers_.end(), alike)) >=
      most) {
    const auto oldest = std::find_if(newcomers_.begin(), newcomers_.end(), alike);
    (*oldest)->close();
    newcomers_.erase(oldest);
  }
  newcomers_.push_back(connection);
  connection->limit_silence(context_);
  return connection;
}

asio::awaitable<void> RuntimeHub::await_start(channel::Hello hello) const {
  const auto starts = [&] {
    const auto* instance = jobs_.by_token(hello.job, hello.token);
    return instance != nullptr && instance->is_being_started();
  };
  while (starts()) {
    co_await jobs_.changed().wait_until(std::chrono::steady_clock::now() + kLookAgain);
  }
}

Instance& RuntimeHub::admit(const channel::Hello& hello, Connection& connection) {
  if (hello.protocol_version != channel::kProtocolVersion) {
    throw Error(Code::protocol_mismatch,
                fmt::format("the program's runtime {} speaks protocol {}, this agent {}",
                            named(hello.runtime_version), hello.protocol_version,
                            channel::kProtocolVersion),
                "build the program with the Cardswap release that the agent runs");
  }
  auto* instance = jobs_.by_token(hello.job, hello.token);
  if (instance == nullptr) {
    throw Error(Code::unauthorized,
                fmt::format("no job '{}' of this agent has that token", named(hello.job)),
                "start the program with `cardswap run`");
  }
  const auto peer = peer_of(connection.socket.native_handle());
  const bool is_of_many = hello.ranks > 1;
  // A launcher may give each rank a session of its own.
  const bool belongs = session_of(peer) == instance->program().pid ||
                       (is_of_many && is_descendant_of(peer.pid, instance->program()));
  if (!belongs) {
    throw Error(Code::unauthorized,
                fmt::format("process {} does not belong to job {}", peer.pid, hello.job));
  }
  if (is_of_many) check_rank(*instance, hello);
  if (is_of_many) connection.rank = hello.rank;
  connection.key = key_of(*instance, connection.rank);
  connection.process = peer.pid;
  // Two processes that step one job are one too many, whichever came first.
  if (const auto other = attached_.find(connection.key);
      other != attached_.end() && other->second->process != 0 &&
      other->second->process != peer.pid && other->second->is_in_use()) {
    throw Error(Code::conflict,
                fmt::format("process {} is the trainer of job {} already; process {} may not be it "
                            "as well",
                            other->second->process, hello.job, peer.pid),
                "open a cardswap::Session in one process of the job, or start the other one as a "
                "job of its own");
  }
  return *instance;
}

/// What was attached before is the process that holds the memory. Its connection stays open until
/// it has handed that over and ends: closed, it would come back, and be refused as nobody's.
void RuntimeHub::accept(Instance& instance, Descriptor socket) {
  asio::local::stream_protocol::socket owned(context_);
  owned.assign(asio::local::stream_protocol(), socket.get());
  (void)socket.release();
  auto connection = std::make_shared<Connection>(std::move(owned));
  connection->key = instance.id();
  attached_[connection->key] = connection;
  note_attached(instance);
  tasks_.spawn("a runtime's connection", serve(connection, instance.id()));
  tasks_.spawn("a runtime's writer", write(connection));
}

bool RuntimeHub::is_current(const std::shared_ptr<Connection>& connection) const {
  const auto found = attached_.find(connection->key);
  return found != attached_.end() && found->second == connection;
}

void RuntimeHub::take(Instance& instance, const std::shared_ptr<Connection>& connection,
                      const channel::Message& message) {
  if (!connection->rank) return callbacks_.message(instance, message);
  callbacks_.rank_message(instance, *connection->rank, message);
}

Instance& RuntimeHub::attach(const channel::Hello& hello,
                             const std::shared_ptr<Connection>& connection) {
  auto& instance = admit(hello, *connection);
  if (connection->rank && !callbacks_.rank_message) {
    throw Error(Code::refused, "this agent takes no ranks of a job of many");
  }
  const auto welcome = callbacks_.hello(instance, hello);
  connection->patience.reset();
  newcomers_.remove(connection);
  if (const auto old = attached_.find(connection->key); old != attached_.end()) {
    old->second->close();
  }
  attached_[connection->key] = connection;
  connection->send(welcome);
  if (connection->rank) {
    note_rank_attached(instance, hello, process_of(connection->process));
  } else {
    note_attached(instance, &hello);
  }
  return instance;
}

void RuntimeHub::detach(const std::shared_ptr<Connection>& connection, const std::string& id) {
  attached_.erase(connection->key);
  auto* instance = jobs_.by_instance(id);
  if (instance != nullptr && connection->rank) {
    note_rank_detached(*instance, *connection->rank);
    callbacks_.rank_detached(*instance, *connection->rank);
  } else if (instance != nullptr) {
    note_detached(*instance);
    callbacks_.detached(*instance);
  }
}

asio::awaitable<void> RuntimeHub::serve(std::shared_ptr<Connection> connection, std::string id) {
  std::array<std::byte, 16384> piece{};
  boost::system::error_code error;
  try {
    while (!connection->closed) {
      const auto got = co_await connection->socket.async_read_some(
          asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
      if (error || connection->closed) break;
      connection->frames.feed(std::span(piece).first(got));
      const auto most = [&]() -> std::size_t {
        return id.empty() ? kHelloBytesMax : channel::kFrameBytesMax;
      };
      while (auto body = connection->frames.next(most())) {
        const auto message = channel::decode(*body);
        if (id.empty()) {
          const auto* hello = std::get_if<channel::Hello>(&message);
          if (hello == nullptr) throw Error(Code::bad_request, "the first message is no Hello");
          co_await await_start(*hello);
          if (connection->closed) break;
          auto& instance = attach(*hello, connection);
          id = instance.id();
          take(instance, connection, message);
        } else if (auto* instance = jobs_.by_instance(id);
                   instance != nullptr && is_current(connection)) {
          take(*instance, connection, message);
        }
      }
    }
  } catch (...) {
    if (tasks_.is_stopping()) throw;
    const auto refused = error_of(std::current_exception());
    log_refusal(refused);
    connection->send(channel::Refused{refused.code(), refused.failure(), refused.hint()});
  }
  newcomers_.remove(connection);
  if (!id.empty() && is_current(connection)) detach(connection, id);
  connection->closed = true;
  connection->queued.notify();
}

/// Any process of a job's user can be refused as often as it likes: that may not fill the log.
void RuntimeHub::log_refusal(const Error& refused) {
  if (logged_refusals_ == kRefusalsLoggedMax) {
    ++suppressed_refusals_;
    return;
  }
  if (logged_refusals_++ == 0) tasks_.spawn("tell of refused runtimes", log_suppressed());
  spdlog::warn("a runtime was refused: {}", refused.what());
}

asio::awaitable<void> RuntimeHub::log_suppressed() {
  co_await pause_for(kTellEvery);
  if (suppressed_refusals_ > 0) {
    spdlog::warn("{} more runtimes were refused, each told why",
                 std::exchange(suppressed_refusals_, 0));
  }
  logged_refusals_ = 0;
}

asio::awaitable<void> RuntimeHub::write(std::shared_ptr<Connection> connection) {
  boost::system::error_code error;
  while (!error) {
    while (!connection->out.empty() && !error) {
      const auto frame = std::move(connection->out.front());
      connection->out.pop_front();
      co_await asio::async_write(connection->socket, asio::buffer(frame),
                                 asio::redirect_error(asio::use_awaitable, error));
      connection->unread -= frame.size();
    }
    if (connection->closed) break;
    if (!error) {
      co_await connection->queued.wait_until(std::chrono::steady_clock::now() +
                                             std::chrono::hours(1));
    }
  }
  connection->close();
}

std::uint64_t RuntimeHub::socket_inode(const Instance& instance) const {
  const auto found = attached_.find(instance.id());
  struct stat about {};
  if (found == attached_.end()) return 0;
  if (::fstat(found->second->socket.native_handle(), &about) != 0) return 0;
  return about.st_ino;
}

bool RuntimeHub::send(const Instance& instance, const channel::Message& message) {
  auto found = attached_.find(instance.id());
  if (found == attached_.end()) {  // a newcomer is the one rank of its instance
    const auto ranks = instance.id() + "/";
    found = attached_.lower_bound(ranks);
    if (found == attached_.end() || !found->first.starts_with(ranks)) return false;
  }
  found->second->send(message);
  return true;
}

bool RuntimeHub::send(const Instance& instance, std::uint32_t rank,
                      const channel::Message& message) {
  const auto found = attached_.find(key_of(instance, rank));
  if (found == attached_.end()) return false;
  found->second->send(message);
  return true;
}

}  // namespace cardswap
