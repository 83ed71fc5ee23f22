#include "agent/attach/runtime_hub.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <optional>
#include <utility>

#include "agent/attach/peer_check.h"
#include "agent/base/accept_each.h"
#include "agent/base/socket_file.h"
#include "agent/jobs/rank_report.h"
#include "agent/jobs/runtime_report.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

constexpr std::size_t kHelloBytesMax = 4096;

/// The key of a connection: the instance, and of a job of many ranks the rank.
std::string key_of(const Instance& instance, std::optional<std::uint32_t> rank) {
  return rank ? fmt::format("{}/{}", instance.id(), *rank) : instance.id();
}

}  // namespace

RuntimeHub::RuntimeHub(asio::io_context& context, TaskGroup& tasks, JobList& jobs,
                       Callbacks callbacks)
    : context_(context),
      tasks_(tasks),
      jobs_(jobs),
      door_(tasks, jobs),
      callbacks_(std::move(callbacks)),
      acceptor_(context) {}

RuntimeHub::~RuntimeHub() { close(); }

void RuntimeHub::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (auto& [instance, connection] : attached_) connection->close();
  door_.close();
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
  tasks_.spawn("accept runtimes",
               accept_each(acceptor_, [this](asio::local::stream_protocol::socket socket) {
                 if (auto connection = door_.let_in(std::move(socket))) begin(connection, {});
               }));
}

void RuntimeHub::begin(std::shared_ptr<Connection> connection, std::string instance) {
  tasks_.spawn("a runtime's connection", serve(connection, std::move(instance)));
  tasks_.spawn("a runtime's writer", write(std::move(connection)));
}

void RuntimeHub::check_is_alone(const std::string& job, const Connection& connection) const {
  const auto other = attached_.find(connection.key);
  if (other == attached_.end() || other->second->process == 0 ||
      other->second->process == connection.process || !other->second->is_in_use()) {
    return;
  }
  throw Error(Code::conflict,
              fmt::format("process {} is the trainer of job {} already; process {} may not be it "
                          "as well",
                          other->second->process, job, connection.process),
              "open a cardswap::Session in one process of the job, or start the other one as a "
              "job of its own");
}

/// What was attached before is the process that holds the memory. Its connection stays open until
/// it has handed that over and ends: closed, it would come back, and be refused as nobody's.
void RuntimeHub::adopt(Instance& instance, Descriptor socket) {
  asio::local::stream_protocol::socket owned(context_);
  owned.assign(asio::local::stream_protocol(), socket.get());
  (void)socket.release();
  auto connection = std::make_shared<Connection>(std::move(owned));
  connection->key = instance.id();
  attached_[connection->key] = connection;
  note_attached(instance);
  begin(std::move(connection), instance.id());
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
  auto& instance = door_.identify(hello, *connection);
  connection->key = key_of(instance, connection->rank);
  // Two processes that step one job are one too many, whichever came first.
  check_is_alone(hello.job, *connection);
  if (connection->rank && !callbacks_.rank_message) {
    throw Error(Code::refused, "this agent takes no ranks of a job of many");
  }
  const auto welcome = callbacks_.hello(instance, hello);
  door_.forget(connection);
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

void RuntimeHub::begin_to_follow(const channel::Follow& follow,
                                 const std::shared_ptr<Connection>& connection) {
  if (!callbacks_.follow) throw Error(Code::refused, "this agent follows no ranks");
  const auto& instance = door_.identify(follow, *connection);
  door_.forget(connection);
  if (connection->process == instance.program().pid) {  // its end is awaited here, as the job's
    return connection->send(channel::Followed{channel::EndState::unneeded, 0, {}, {}});
  }
  callbacks_.follow(instance, follow.rank, [connection](const channel::Followed& news) {
    connection->send(news);
    return !connection->closed;
  });
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
        if (!connection->follows.empty()) {
          const auto* deliver = std::get_if<channel::Deliver>(&message);
          if (deliver == nullptr) throw Error(Code::bad_request, "no message of one that follows");
          callbacks_.deliver(connection->follows, *connection->rank,
                             static_cast<int>(deliver->signal & 127U));
        } else if (const auto* follow = std::get_if<channel::Follow>(&message);
                   follow != nullptr && id.empty()) {
          begin_to_follow(*follow, connection);
        } else if (id.empty()) {
          const auto* hello = std::get_if<channel::Hello>(&message);
          if (hello == nullptr) throw Error(Code::bad_request, "the first message is no Hello");
          co_await door_.await_start(*hello);
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
    door_.log_refusal(refused);
    connection->send(channel::Refused{refused.code(), refused.failure(), refused.hint()});
  }
  door_.forget(connection);
  if (!id.empty() && is_current(connection)) detach(connection, id);
  connection->finish();
}

asio::awaitable<void> RuntimeHub::write(std::shared_ptr<Connection> connection) {
  co_await connection->out.write_to(connection->socket);
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
