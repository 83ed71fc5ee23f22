#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/core/digest.h"
#include "migrator/device/arena.h"

/// The protocol by which arenas are handed over on one host: between a trainer and the custodian
/// that holds them while the trainer is dumped, and between the holder that received them and the
/// restored trainer.
///
/// The messages are packets of a unix seqpacket socket: a u8 number (index in `Message` plus 1) and
/// the fields in this order. Keep and Memory carry one file for each piece, in order: the packet
/// itself carries as many as fit, and Files packets after it carry the others. Keep is answered by
/// Kept or Refusal; Fetch by Memory or Refusal. After Memory the receiver sends Done, and the
/// holder ends.
namespace cardswap::memory_handoff {

inline constexpr std::size_t kPiecesMax = 1024;   ///< of all arenas together
inline constexpr std::size_t kFilesAtOnce = 128;  ///< in one packet; the kernel allows 253

/// An arena without its files.
struct ArenaOutline {
  std::string device;                ///< as the job counts devices: "cpu", "cuda:0"
  std::uint64_t base = 0;            ///< the address of the arena
  std::vector<std::uint64_t> bytes;  ///< of each piece
  bool operator==(const ArenaOutline&) const = default;
};

/// Gives a custodian these arenas.
struct Keep {
  std::vector<ArenaOutline> arenas;
  bool operator==(const Keep&) const = default;
};
/// Answer to Keep: the custodian has them.
struct Kept {
  bool operator==(const Kept&) const = default;
};
/// Asks for the arenas of a migration.
struct Fetch {
  std::string migration;
  std::string token;  ///< empty to a custodian, which knows its trainer's pid
  bool operator==(const Fetch&) const = default;
};
/// Answer to Fetch: the arenas, and what their bytes must be.
struct Memory {
  std::vector<ArenaOutline> arenas;
  Digest root;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< when the source's last step ended, on the sender's clock
  std::int64_t clock_error_ns = 0;    ///< by which that may be wrong, at most
  std::int64_t now_ns = 0;            ///< the sender's clock now; the receiver's may differ
  bool operator==(const Memory&) const = default;
};
/// Ends the holder: the memory is mapped.
struct Done {
  bool operator==(const Done&) const = default;
};
/// Answer to a request that was not carried out, and the reason.
struct Refusal {
  Code code = Code::refused;
  std::string failure;
  std::string hint;
  bool operator==(const Refusal&) const = default;
};
/// More files of the previous message.
struct Files {
  bool operator==(const Files&) const = default;
};
using Message = std::variant<Keep, Kept, Fetch, Memory, Done, Refusal, Files>;

[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Throws Error{bad_request} for bytes that are not exactly one message.
[[nodiscard]] Message decode(std::span<const std::byte> packet);

/// A message with its files.
struct Received {
  Message message;
  std::vector<Descriptor> files;  ///< as many as the message has pieces
};

/// An arena that is handed over, with its files.
struct PassedArena {
  std::string device;  ///< as ArenaOutline::device
  std::uint64_t base = 0;
  std::vector<ArenaPiece> pieces;
};
/// The outlines of the arenas, for a message. Throws Error{refused} for more pieces or arenas than
/// a message may have.
[[nodiscard]] std::vector<ArenaOutline> outlines_of(const std::vector<PassedArena>& arenas);
/// The arenas' files in order; the arenas go on owning them.
[[nodiscard]] std::vector<int> files_of(const std::vector<PassedArena>& arenas);
/// The arenas of a message's outlines, with `files`, which they own then. Throws
/// Error{bad_request} for too few files; closes files that are too many.
[[nodiscard]] std::vector<PassedArena> arenas_from(const std::vector<ArenaOutline>& outlines,
                                                   std::vector<Descriptor> files);

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

/// Sends a Refusal. Throws nothing: the other end may be gone already.
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
  if (const auto* refusal = std::get_if<Refusal>(&received->message)) {
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

}  // namespace cardswap::memory_handoff
