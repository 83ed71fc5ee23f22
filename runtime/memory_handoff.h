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

/// How arenas change hands on one host: between a trainer and the holder that keeps them while the
/// trainer is dumped, and between the holder that received them and the restored trainer.
///
/// Packets of a unix seqpacket socket: u8 number (index in `Message` plus 1) and the fields in this
/// order. Keep and Memory come with a file for each piece, in order: the packet itself has as many
/// as fit, Files packets behind it the others. Keep -> Kept | Refusal. Fetch -> Memory | Refusal,
/// then Done, upon which the holder ends.
namespace cardswap::memory_handoff {

inline constexpr std::size_t kPiecesMax = 1024;   ///< of all arenas together
inline constexpr std::size_t kFilesAtOnce = 128;  ///< the kernel passes 253

/// An arena without its files.
struct Pieces {
  std::string device;  ///< whose memory, as the job counts: "cpu", "cuda:0"
  std::uint64_t base = 0;
  std::vector<std::uint64_t> bytes;  ///< of each piece
  bool operator==(const Pieces&) const = default;
};

/// Gives a keeper these arenas.
struct Keep {
  std::vector<Pieces> arenas;
  bool operator==(const Keep&) const = default;
};
/// Answer to Keep: the keeper has them.
struct Kept {
  bool operator==(const Kept&) const = default;
};
/// Asks for the arenas of a migration.
struct Fetch {
  std::string migration;
  std::string token;  ///< a keeper needs none: it knows its trainer's pid
  bool operator==(const Fetch&) const = default;
};
/// Answer to Fetch: the arenas, and what their bytes must be.
struct Memory {
  std::vector<Pieces> arenas;
  Digest root;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< the source's, on the clock of whoever sends this
  std::int64_t clock_error_ns = 0;
  std::int64_t now_ns = 0;  ///< that clock: the receiver may have been given another one
  bool operator==(const Memory&) const = default;
};
/// Ends the holder: the memory is mapped.
struct Done {
  bool operator==(const Done&) const = default;
};
/// Answer to what was not done, and why not.
struct Refusal {
  Code code = Code::refused;
  std::string failure;
  std::string hint;
  bool operator==(const Refusal&) const = default;
};
/// More files of the message before it.
struct Files {
  bool operator==(const Files&) const = default;
};
using Message = std::variant<Keep, Kept, Fetch, Memory, Done, Refusal, Files>;

[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Throws Error{bad_request}.
[[nodiscard]] Message decode(std::span<const std::byte> packet);

/// A message with its files.
struct Received {
  Message message;
  std::vector<Descriptor> files;  ///< as many as the message has pieces
};

/// An arena on its way, with whose memory it is.
struct PassedArena {
  std::string device;
  std::uint64_t base = 0;
  std::vector<ArenaPiece> pieces;
};
/// What a message says of these, and their files in order. Throws Error{refused} when there are
/// more pieces than can be passed.
[[nodiscard]] std::vector<Pieces> described(const std::vector<PassedArena>& arenas);
[[nodiscard]] std::vector<int> files_of(const std::vector<PassedArena>& arenas);
/// The arenas that a message describes, with the files, which it takes. Throws Error{bad_request}
/// when there are not as many.
[[nodiscard]] std::vector<PassedArena> assembled(const std::vector<Pieces>& arenas,
                                                 std::vector<Descriptor> files);

/// One end of a connection; used by one thread.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit Connection(Descriptor socket) : socket_(std::move(socket)) {}
  /// Connects to a process of this user or of root, of anybody for root; and to `process` alone
  /// where that is not 0. Throws Error{unreachable}, and Error{unauthorized} when somebody else
  /// answers: nothing was said to them.
  [[nodiscard]] static Connection to(const std::string& path, pid_t process = 0);

  /// Throws Error{link_lost}.
  void send(const Message& message, std::span<const int> files = {});
  /// The next message with its files. Nothing when the other end closed or said nothing until then;
  /// throws as decode() does, and Error{bad_request} on a message without its files.
  [[nodiscard]] std::optional<Received> receive(Deadline deadline);
  /// Who connected, as the kernel knows it.
  [[nodiscard]] ucred peer() const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  void send_packet(const Message& message, std::span<const int> files);
  [[nodiscard]] std::optional<Received> receive_packet(Deadline deadline);

  Descriptor socket_;
};

/// Says why not, to whoever may have gone already.
void refuse(Connection& connection, const Error& error);
/// Sends and waits for an `Answer`. Throws what the other end refused, or Error{link_lost}.
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

/// A socket at a path, for its owner only; the path appears once it listens and goes with this. The
/// folder has to be one in which nobody else makes names.
class Listener {
 public:
  /// Throws Error{io}.
  explicit Listener(std::string path);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// The next connection; nothing when nobody waits.
  [[nodiscard]] std::optional<Connection> accept() const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  const std::string path_;
  Descriptor socket_;
};

}  // namespace cardswap::memory_handoff
