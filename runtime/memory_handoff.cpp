#include "runtime/memory_handoff.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "migrator/base/os_error.h"
#include "migrator/base/unix_address.h"
#include "migrator/wire/archive.h"

namespace cardswap::memory_handoff {
namespace {

constexpr std::size_t kTextBytesMax = 4096;
constexpr std::size_t kPacketBytesMax = 16384;
constexpr std::size_t kNameBytesMax = 32;
constexpr std::size_t kArenasMax = 64;
constexpr std::size_t kArenaBytesMin = sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);

constexpr wire::TextRule kTexts{kTextBytesMax, kTextBytesMax, false};
constexpr auto kUnknown = "unknown message number on a holder's socket";

void check(const std::vector<ArenaOutline>& arenas) {
  std::size_t pieces = 0;
  for (const auto& arena : arenas) {
    if (arena.device.size() > kNameBytesMax) {
      throw Error(Code::bad_request, "a field is longer than allowed");
    }
    pieces += arena.bytes.size();
  }
  if (pieces > kPiecesMax) throw Error(Code::bad_request, "more pieces than arenas have");
}

template <class Archive>
void arenas(Archive& a, FieldsOf<Archive, std::vector<ArenaOutline>>& m) {
  a.list(m, kArenasMax, kArenaBytesMin);
  if constexpr (Archive::kReads) check(m);
}

std::size_t files_with(const Message& message) {
  const auto* keep = std::get_if<Keep>(&message);
  const auto* memory = std::get_if<Memory>(&message);
  if (keep == nullptr && memory == nullptr) return 0;
  std::size_t count = 0;
  for (const auto& arena : keep != nullptr ? keep->arenas : memory->arenas) {
    count += arena.bytes.size();
  }
  return count;
}

Descriptor make_socket() {
  return Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

sockaddr_un address_of(const std::string& path) {
  const auto address = path.empty() ? std::nullopt : unix_address(path);
  if (!address) {
    throw Error(Code::bad_request, fmt::format("'{}' is no path for a holder's socket", path),
                fmt::format("it may have {} bytes", kSocketPathBytesMax));
  }
  return *address;
}

}  // namespace

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ArenaOutline>& m) {
  a(m.device, m.base);
  a.list(m.bytes, kPiecesMax, sizeof(std::uint64_t));
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Keep>& m) {
  arenas(a, m.arenas);
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, Kept>&) {}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Fetch>& m) {
  a(m.migration, m.token);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Memory>& m) {
  arenas(a, m.arenas);
  a(m.root, m.step, m.last_step_end_ns, m.clock_error_ns, m.now_ns);
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, Done>&) {}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Refusal>& m) {
  a(m.code);
  a.brief(m.failure);
  a.brief(m.hint);
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, Files>&) {}

std::vector<std::byte> encode(const Message& message) {
  wire::WireWriter writer;
  writer.u8(static_cast<std::uint8_t>(message.index() + 1));
  wire::put_fields(writer, kTexts, message);
  return std::move(writer).take();
}

Message decode(std::span<const std::byte> packet) {
  wire::WireReader reader(packet);
  const std::size_t number = reader.u8();
  return wire::read_numbered<Message>(reader, kTexts, number, kUnknown);
}

Connection Connection::to(const std::string& path, pid_t process) {
  const auto address = address_of(path);
  auto socket = make_socket();
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw Error(Code::unreachable,
                fmt::format("no holder answers at {}: {}", path, std::strerror(errno)),
                "did cardswap-holder end early? Its messages are in the agent's log");
  }
  Connection connection(std::move(socket));
  const auto there = connection.peer();
  const auto own = ::geteuid();
  const bool is_ours = there.uid == own || there.uid == 0 || own == 0;
  // A process that was restored before is in its own PID namespace, in which the custodian has no
  // pid.
  if (!is_ours || (process != 0 && there.pid != 0 && there.pid != process)) {
    throw Error(Code::unauthorized,
                fmt::format("process {} of user {} answers at {}, where another one is to have the "
                            "job's memory",
                            there.pid, there.uid, path),
                "somebody on this host interferes: who is that process?");
  }
  return connection;
}

std::vector<ArenaOutline> outlines_of(const std::vector<PassedArena>& arenas) {
  std::vector<ArenaOutline> result;
  std::size_t count = 0;
  for (const auto& arena : arenas) {
    ArenaOutline outline{arena.device, arena.base, {}};
    for (const auto& piece : arena.pieces) outline.bytes.push_back(piece.bytes);
    count += arena.pieces.size();
    result.push_back(std::move(outline));
  }
  if (count > kPiecesMax || result.size() > kArenasMax) {
    throw Error(
        Code::refused,
        fmt::format("the job's memory is in {} pieces, {} can be handed over", count, kPiecesMax));
  }
  return result;
}

std::vector<int> files_of(const std::vector<PassedArena>& arenas) {
  std::vector<int> files;
  for (const auto& arena : arenas) {
    for (const auto& piece : arena.pieces) files.push_back(piece.file.get());
  }
  return files;
}

std::vector<PassedArena> arenas_from(const std::vector<ArenaOutline>& outlines,
                                     std::vector<Descriptor> files) {
  std::vector<PassedArena> result;
  std::size_t next = 0;
  for (const auto& outline : outlines) {
    PassedArena arena{outline.device, outline.base, {}};
    for (const auto bytes : outline.bytes) {
      if (next == files.size()) throw Error(Code::bad_request, "memory came without its files");
      arena.pieces.push_back({std::move(files[next++]), bytes});
    }
    result.push_back(std::move(arena));
  }
  return result;
}

void Connection::send(const Message& message, std::span<const int> files) {
  send_packet(message, files.first(std::min(files.size(), kFilesAtOnce)));
  for (auto at = kFilesAtOnce; at < files.size(); at += kFilesAtOnce) {
    send_packet(Files{}, files.subspan(at, std::min(files.size() - at, kFilesAtOnce)));
  }
}

void Connection::send_packet(const Message& message, std::span<const int> files) {
  const auto packet = encode(message);
  iovec piece{const_cast<std::byte*>(packet.data()), packet.size()};  // NOLINT: only read
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kFilesAtOnce * sizeof(int))> control{};
  if (!files.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(files.size_bytes());
    auto* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(files.size_bytes());
    std::memcpy(CMSG_DATA(part), files.data(), files.size_bytes());
  }
  if (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL) < 0) {
    throw Error(Code::link_lost,
                fmt::format("hand over the job's memory: {}", std::strerror(errno)));
  }
}

std::optional<Received> Connection::receive(Deadline deadline) {
  auto received = receive_packet(deadline);
  if (!received) return std::nullopt;
  const auto wanted = files_with(received->message);
  while (received->files.size() < wanted) {
    auto more = receive_packet(deadline);
    if (!more) return std::nullopt;
    if (!std::holds_alternative<Files>(more->message) || more->files.empty()) {
      throw Error(Code::bad_request, "memory came without its files");
    }
    for (auto& file : more->files) received->files.push_back(std::move(file));
  }
  received->files.resize(wanted);  // closes files that do not belong to the message
  return received;
}

std::optional<Received> Connection::receive_packet(Deadline deadline) {
  pollfd ready{socket_.get(), POLLIN, 0};
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (left <= 0) return std::nullopt;
    if (::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000))) > 0) break;
  }
  std::array<std::byte, kPacketBytesMax> packet{};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kFilesAtOnce * sizeof(int))> control{};
  iovec piece{packet.data(), packet.size()};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();  // the kernel drops what does not fit
  const auto got = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  Received received;
  for (auto* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    std::vector<int> files((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(files.data(), CMSG_DATA(part), files.size() * sizeof(int));
    for (const auto file : files) received.files.emplace_back(file);
  }
  if (got <= 0) return std::nullopt;
  received.message = decode(std::span(packet).first(static_cast<std::size_t>(got)));
  return received;
}

ucred Connection::peer() const {
  ucred peer{-1, static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
  socklen_t size = sizeof(peer);
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return peer;
}

void refuse(Connection& connection, const Error& error) {
  try {
    connection.send(Refusal{error.code(), error.failure(), error.hint()});
  } catch (...) {
    // It has gone already, or learns by its own limit.
  }
}

Listener::Listener(std::string path) : path_(std::move(path)), socket_(make_socket()) {
  const auto early = path_ + "~";
  const auto address = address_of(early);
  ::unlink(early.c_str());
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(early.c_str(), 0600) != 0 || ::listen(socket_.get(), 8) != 0 ||
      std::rename(early.c_str(), path_.c_str()) != 0) {
    throw os_error(fmt::format("listen on {}", path_));
  }
}

Listener::~Listener() { ::unlink(path_.c_str()); }

std::optional<Connection> Listener::accept() const {
  const int fd = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return std::nullopt;
  return Connection(Descriptor(fd));
}

}  // namespace cardswap::memory_handoff
