#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/attach/doorkeeper.h"
#include "agent/attach/runtime_connection.h"
#include "agent/base/task_group.h"
#include "agent/jobs/job_list.h"
#include "migrator/base/descriptor.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// Serves the runtimes of this host's jobs: they attach here with a Hello and then exchange
/// messages (migrator/wire/runtime_messages.h). The agent's thread.
///
/// A Hello is accepted when its token is the job's and the peer's process belongs to the job's
/// session; of a job of many ranks, also when it descends from the job's program, and each rank has
/// a connection of its own. It is refused as Error{protocol_mismatch} if the runtime speaks another
/// protocol, and as Error{conflict} while another process of the job is attached and in use. A
/// message that cannot be read closes its own connection and nothing else.
///
/// Who gets as far as a Hello, and how many at a time, is the Doorkeeper's to say; a Hello has at
/// most 4 KiB. The hub queues at most 1 MiB for a runtime that does not read, then closes its
/// connection.
class RuntimeHub {
 public:
  /// Functions of the agent that the hub calls on its thread; those of one process must be set.
  struct Callbacks {
    /// A runtime attaches; returns the answer. Throws Error to refuse it.
    std::function<channel::Welcome(Instance&, const channel::Hello&)> hello;
    /// A message came; the Hello comes here too. An exception is sent to the runtime as Refused,
    /// and its connection is closed.
    std::function<void(Instance&, const channel::Message&)> message;
    /// The connection of an attached runtime was closed.
    std::function<void(Instance&)> detached;
    /// Called in place of `message` and `detached` for a runtime that has said that it is a rank of
    /// many. `rank_message` is not set: such a runtime is refused.
    std::function<void(Instance&, std::uint32_t rank, const channel::Message&)> rank_message = {};
    std::function<void(Instance&, std::uint32_t rank)> rank_detached = {};
    /// A process of the job keeps the place of that rank, which may have left (channel::Follow).
    /// `tell` sends it news; false: its connection is closed. Not set: it is refused.
    std::function<void(const Instance&, std::uint32_t rank,
                       std::function<bool(const channel::Followed&)> tell)>
        follow = {};
    /// Such a process passes a signal on.
    std::function<void(const std::string& instance, std::uint32_t rank, int signal)> deliver = {};
  };
  /// All references must outlive it.
  RuntimeHub(asio::io_context& context, TaskGroup& tasks, JobList& jobs, Callbacks callbacks);
  ~RuntimeHub();

  /// Listens on the unix socket `path`, which is made anew; call it once. Throws Error{io}, and
  /// Error{refused} if another kind of file is there.
  void listen(const std::filesystem::path& path);
  /// Takes `socket`, a runtime's connection that this agent made itself. Messages of a runtime that
  /// was attached for that instance before are ignored from now on.
  void adopt(Instance& instance, Descriptor socket);
  /// Queues a message for the runtime of that instance; returns at once. False when it is not
  /// attached. True does not mean that it was received.
  bool send(const Instance& instance, const channel::Message& message);
  /// Does what send() does for the runtime of one rank of a job of many.
  bool send(const Instance& instance, std::uint32_t rank, const channel::Message& message);
  /// The inode of this agent's end of the instance's connection; 0 when there is none.
  [[nodiscard]] std::uint64_t socket_inode(const Instance& instance) const;
  /// Stops listening and closes all connections.
  void close();
  [[nodiscard]] bool is_open() const { return acceptor_.is_open(); }
  [[nodiscard]] std::size_t attached_count() const { return attached_.size(); }

 private:
  using Connection = RuntimeConnection;
  /// Serves a new connection, and owns it until it ends.
  void begin(std::shared_ptr<Connection> connection, std::string instance);
  /// Reads a connection until it ends. `instance` is empty until its Hello was admitted.
  asio::awaitable<void> serve(std::shared_ptr<Connection> connection, std::string instance);
  /// Writes what is queued for a connection, until it is closed.
  asio::awaitable<void> write(std::shared_ptr<Connection> connection);
  /// Whether it is the connection that is attached for that instance.
  [[nodiscard]] bool is_current(const std::shared_ptr<Connection>& connection) const;
  /// Handles a message of an attached runtime.
  void take(Instance& instance, const std::shared_ptr<Connection>& connection,
            const channel::Message& message);
  /// Admits a connection by its Hello, answers it and attaches it. Throws as Doorkeeper::identify()
  /// and Callbacks::hello do, and Error{conflict} as the class says.
  Instance& attach(const channel::Hello& hello, const std::shared_ptr<Connection>& connection);
  /// Admits a process that follows a rank. Throws as Doorkeeper::identify() and for a callback that
  /// is not set.
  void begin_to_follow(const channel::Follow& follow,
                       const std::shared_ptr<Connection>& connection);
  /// Tells the end of a connection, unless another one is attached in its place.
  void detach(const std::shared_ptr<Connection>& connection, const std::string& instance);
  /// Throws Error{conflict} while another process is attached and in use in its place.
  void check_is_alone(const std::string& job, const Connection& connection) const;

  asio::io_context& context_;
  TaskGroup& tasks_;
  JobList& jobs_;
  Doorkeeper door_;
  const Callbacks callbacks_;
  asio::local::stream_protocol::acceptor acceptor_;
  std::filesystem::path path_;
  std::map<std::string, std::shared_ptr<Connection>> attached_;  // by key_of()
};

}  // namespace cardswap
