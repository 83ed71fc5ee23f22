#pragma once

#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "runtime/memory_messages.h"

/// The sockets on which memory is handed over, with the files of their messages.
namespace cardswap::memory_transfer {

/// A message with its files.
struct Received {
  Message message;
  std::vector<Descriptor> files;  ///< as many as the message has pieces
};

/// One end of a connection; used by one thread.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit Connection(Descriptor socket) : socket_(std::move(socket)) {}
  /// Connects to a process of this user or of root; root connects to a process of any user. If
  /// `process` is not 0, the process must have that pid. A process that has no pid in this PID
  /// namespace (peer().pid is 0) is accepted: this process may have been restored into a namespace
  /// of its own. Throws Error{bad_request} for a path that is empty or too long, {unreachable} if
  /// nobody listens, and {unauthorized} if another process answers: nothing was sent to it.
  [[nodiscard]] static Connection to(const std::string& path, pid_t process = 0);

  /// Sends a message with its files, which stay the caller's. Does not block. Throws
  /// Error{link_lost} if the other end is gone or does not read.
  void send(const Message& message, std::span<const int> files = {});
  /// Waits for the next message with its files. Nullopt: the other end closed the connection or
  /// sent nothing until `deadline`. Throws Error{bad_request} as decode() does, and if files are
  /// missing.
  [[nodiscard]] std::optional<Received> receive(Deadline deadline);
  /// The process at the other end, as the kernel knows it. Its pid is -1 if it is not known, and 0
  /// if the process has no pid in this PID namespace.
  [[nodiscard]] ucred peer() const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  void send_packet(const Message& message, std::span<const int> files);
  [[nodiscard]] std::optional<Received> receive_packet(Deadline deadline);

  Descriptor socket_;
};

/// Sends a Refused. Throws nothing: the other end may be gone already.
void refuse(Connection& connection, const Error& error);
/// Sends `message` and waits for an `Answer` until `deadline`. Throws the other end's refusal as an
/// Error, Error{link_lost} if it does not answer, and Error{bad_request} for another answer.
template <class Answer>
[[nodiscard]] std::pair<Answer, std::vector<Descriptor>> ask(Connection& connection,
                                                             const Message& message,
                                                             std::span<const int> files,
                                                             Connection::Deadline deadline) {
  connection.send(message, files);
  auto received = connection.receive(deadline);
  if (!received) throw Error(Code::link_lost, "the holder of the job's memory does not answer");
  if (const auto* refusal = std::get_if<Refused>(&received->message)) {
    throw Error(refusal->code, refusal->failure, refusal->hint);
  }
  auto* answer = std::get_if<Answer>(&received->message);
  if (answer == nullptr) throw Error(Code::bad_request, "the holder answered something else");
  return {std::move(*answer), std::move(received->files)};
}

/// A listening socket at a path, with mode 0600. The path appears when the socket listens, and is
/// removed by the destructor. No other user may be able to create files in its folder.
class Listener {
 public:
  /// Throws Error{io}, and Error{bad_request} for a path that is empty or too long.
  explicit Listener(std::string path);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// The next connection. Nullopt: none is waiting. Does not block.
  [[nodiscard]] std::optional<Connection> accept() const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  const std::string path_;
  Descriptor socket_;
};

}  // namespace cardswap::memory_transfer
