#include "runtime/memory_socket.h"

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

namespace cardswap::memory_transfer {
namespace {

constexpr std::size_t kPacketBytesMax = 16384;

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
    connection.send(Refused{error.code(), error.failure(), error.hint()});
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

}  // namespace cardswap::memory_transfer
