#include "runtime/hand_over.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "migrator/wire/reader.h"
#include "migrator/wire/writer.h"

namespace cardswap::hand_over {
namespace {

using wire::WireReader;
using wire::WireWriter;

constexpr std::size_t kTextBytesMax = 4096;
constexpr std::size_t kPacketBytesMax = 16384;

void put(WireWriter& w, const Keep& m) { w.u64(m.base).u64(m.bytes); }
void put(WireWriter&, const Kept&) {}
void put(WireWriter& w, const Fetch& m) { w.string(m.migration).string(m.token); }
void put(WireWriter& w, const Memory& m) {
  w.u64(m.base).u64(m.bytes).digest(m.root).u64(m.step);
  w.i64(m.last_step_end_ns).i64(m.clock_error_ns).i64(m.now_ns);
}
void put(WireWriter&, const Done&) {}
void put(WireWriter& w, const Refusal& m) {
  const auto cut = [](const std::string& text) {
    return std::string_view(text).substr(0, kTextBytesMax);
  };
  w.u8(static_cast<std::uint8_t>(m.code)).string(cut(m.failure)).string(cut(m.hint));
}

Message take(WireReader& r) {
  switch (r.u8()) {
    case 1: {
      Keep m;
      m.base = r.u64();
      m.bytes = r.u64();
      return m;
    }
    case 2: return Kept{};
    case 3: {
      Fetch m;
      m.migration = r.string(kTextBytesMax);
      m.token = r.string(kTextBytesMax);
      return m;
    }
    case 4: {
      Memory m;
      m.base = r.u64();
      m.bytes = r.u64();
      m.root = r.digest();
      m.step = r.u64();
      m.last_step_end_ns = r.i64();
      m.clock_error_ns = r.i64();
      m.now_ns = r.i64();
      return m;
    }
    case 5: return Done{};
    case 6: {
      Refusal m;
      const auto code = r.u8();
      if (code > static_cast<std::uint8_t>(Code::internal)) {
        throw Error(Code::bad_request, "an error code out of range");
      }
      m.code = static_cast<Code>(code);
      m.failure = r.string(kTextBytesMax);
      m.hint = r.string(kTextBytesMax);
      return m;
    }
    default: throw Error(Code::bad_request, "unknown message number on a holder's socket");
  }
}

Descriptor make_socket() {
  return Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no path for a holder's socket", path),
                "it may have 107 bytes");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

}  // namespace

std::vector<std::byte> encode(const Message& message) {
  WireWriter writer;
  writer.u8(static_cast<std::uint8_t>(message.index() + 1));
  std::visit([&](const auto& m) { put(writer, m); }, message);
  return std::move(writer).take();
}

Message decode(std::span<const std::byte> packet) {
  WireReader reader(packet);
  auto message = take(reader);
  reader.finish();
  return message;
}

Connection Connection::to(const std::string& path) {
  const auto address = address_of(path);
  auto socket = make_socket();
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw Error(Code::unreachable,
                fmt::format("no holder answers at {}: {}", path, std::strerror(errno)),
                "did cardswap-holder end early? Its messages are in the agent's log");
  }
  return Connection(std::move(socket));
}

void Connection::send(const Message& message, int file) {
  const auto packet = encode(message);
  iovec piece{const_cast<std::byte*>(packet.data()), packet.size()};  // NOLINT: only read
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  if (file >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    auto* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &file, sizeof(file));
  }
  if (::sendmsg(socket_.fd(), &header, MSG_NOSIGNAL) < 0) {
    throw Error(Code::link_lost,
                fmt::format("hand over the job's memory: {}", std::strerror(errno)));
  }
}

std::optional<Received> Connection::receive(Deadline deadline) {
  pollfd ready{socket_.fd(), POLLIN, 0};
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (left <= 0) return std::nullopt;
    if (::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000))) > 0) break;
  }
  std::array<std::byte, kPacketBytesMax> packet;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  iovec piece{packet.data(), packet.size()};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const auto got = ::recvmsg(socket_.fd(), &header, MSG_CMSG_CLOEXEC);
  Received received;
  for (auto* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    int file = -1;
    std::memcpy(&file, CMSG_DATA(part), sizeof(file));
    received.file = Descriptor(file);  // control has room for one: the kernel drops the others
  }
  if (got <= 0) return std::nullopt;
  received.message = decode(std::span(packet).first(static_cast<std::size_t>(got)));
  return received;
}

ucred Connection::peer() const {
  ucred peer{-1, static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
  socklen_t size = sizeof(peer);
  ::getsockopt(socket_.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return peer;
}

Listener::Listener(std::string path) : path_(std::move(path)), socket_(make_socket()) {
  const auto early = path_ + "~";
  const auto address = address_of(early);
  ::unlink(early.c_str());
  if (::bind(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(early.c_str(), 0600) != 0 || ::listen(socket_.fd(), 8) != 0 ||
      std::rename(early.c_str(), path_.c_str()) != 0) {
    throw Error(Code::io, fmt::format("listen on {}: {}", path_, std::strerror(errno)));
  }
}

Listener::~Listener() { ::unlink(path_.c_str()); }

std::optional<Connection> Listener::accept() const {
  const int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return std::nullopt;
  return Connection(Descriptor(fd));
}

}  // namespace cardswap::hand_over
