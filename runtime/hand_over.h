#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "migrator/digest.h"
#include "migrator/error.h"
#include "runtime/descriptor.h"

/// How an arena's file changes hands on one host: between a trainer and the holder that keeps it
/// while the trainer is dumped, and between the holder that received it and the restored trainer.
///
/// Packets of a unix seqpacket socket: u8 number (index in `Message` plus 1) and the fields in this
/// order; Keep and Memory carry the file. Keep -> Kept | Refusal. Fetch -> Memory | Refusal, then
/// Done, upon which the holder ends.
namespace cardswap::hand_over {

struct Keep {
  std::uint64_t base = 0;
  std::uint64_t bytes = 0;
  bool operator==(const Keep&) const = default;
};
struct Kept {
  bool operator==(const Kept&) const = default;
};
struct Fetch {
  std::string migration;
  std::string token;  ///< a keeper needs none: it knows its trainer's pid
  bool operator==(const Fetch&) const = default;
};
struct Memory {
  std::uint64_t base = 0;
  std::uint64_t bytes = 0;
  Digest root;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< the source's, on the clock of whoever sends this
  std::int64_t clock_error_ns = 0;
  std::int64_t now_ns = 0;  ///< that clock: the receiver may have been given another one
  bool operator==(const Memory&) const = default;
};
struct Done {
  bool operator==(const Done&) const = default;
};
struct Refusal {
  Code code = Code::refused;
  std::string failure;
  std::string hint;
  bool operator==(const Refusal&) const = default;
};
using Message = std::variant<Keep, Kept, Fetch, Memory, Done, Refusal>;

[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Throws Error{bad_request}.
[[nodiscard]] Message decode(std::span<const std::byte> packet);

struct Received {
  Message message;
  Descriptor file;  ///< or none
};

/// One end; a thread of its own.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit Connection(Descriptor socket) : socket_(std::move(socket)) {}
  /// Throws Error{unreachable}.
  [[nodiscard]] static Connection to(const std::string& path);

  /// Throws Error{link_lost}.
  void send(const Message& message, int file = -1);
  /// Nothing when the other end closed or said nothing until then; throws as decode() does.
  [[nodiscard]] std::optional<Received> receive(Deadline deadline);
  /// Who connected, as the kernel knows it.
  [[nodiscard]] ucred peer() const;
  [[nodiscard]] int fd() const { return socket_.fd(); }

 private:
  Descriptor socket_;
};

/// Sends and waits for an `Answer`. Throws what the other end refused, or Error{link_lost}.
template <class Answer>
[[nodiscard]] std::pair<Answer, Descriptor> ask(Connection& connection, const Message& message,
                                                int file, Connection::Deadline deadline) {
  connection.send(message, file);
  auto received = connection.receive(deadline);
  if (!received) throw Error(Code::link_lost, "the holder of the job's memory does not answer");
  if (const auto* refusal = std::get_if<Refusal>(&received->message)) {
    throw Error(refusal->code, refusal->failure, refusal->hint);
  }
  auto* answer = std::get_if<Answer>(&received->message);
  if (answer == nullptr) throw Error(Code::bad_request, "the holder answered something else");
  return {std::move(*answer), std::move(received->file)};
}

/// A socket at a path, for its owner only; the path appears once it listens and goes with this.
class Listener {
 public:
  /// Throws Error{io}.
  explicit Listener(std::string path);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Nothing when nobody waits.
  [[nodiscard]] std::optional<Connection> accept() const;
  [[nodiscard]] int fd() const { return socket_.fd(); }

 private:
  const std::string path_;
  Descriptor socket_;
};

}  // namespace cardswap::hand_over
