#include "agent/criu/facts/unix_peers.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "migrator/base/descriptor.h"

namespace cardswap::criu {
namespace {

using Bytes = std::span<const char>;

/// The T that the bytes begin with. Nullopt: they are too few.
template <class T>
std::optional<T> first_of(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T first;
  std::memcpy(&first, bytes.data(), sizeof(first));
  return first;
}

/// What follows the first `size` bytes where the kernel puts the next thing.
Bytes behind(Bytes bytes, std::size_t size) {
  constexpr std::size_t kAlign = NLMSG_ALIGNTO;
  return bytes.subspan(std::min(bytes.size(), (size + kAlign - 1) / kAlign * kAlign));
}

/// One answer: a socket, and attributes of it.
void take(Bytes answer, std::map<std::uint64_t, std::uint64_t>& peers) {
  const auto about = first_of<unix_diag_msg>(answer);
  if (!about) return;
  auto rest = behind(answer, sizeof(*about));
  while (const auto attribute = first_of<rtattr>(rest)) {
    const std::size_t size = attribute->rta_len;
    if (size < sizeof(*attribute) || size > rest.size()) return;
    const auto peer = first_of<std::uint32_t>(behind(rest.first(size), sizeof(*attribute)));
    if (attribute->rta_type == UNIX_DIAG_PEER && peer) peers[about->udiag_ino] = *peer;
    rest = behind(rest, size);
  }
}

}  // namespace

std::map<std::uint64_t, std::uint64_t> unix_peers() {
  std::map<std::uint64_t, std::uint64_t> peers;
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  struct {
    nlmsghdr header;
    unix_diag_req wanted;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.wanted.sdiag_family = AF_UNIX;
  request.wanted.udiag_states = ~0U;
  request.wanted.udiag_show = UDIAG_SHOW_PEER;
  if (!socket || ::send(socket.get(), &request, sizeof(request), 0) < 0) return peers;
  std::array<char, 32768> buffer{};
  while (true) {
    const auto got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return peers;
    auto rest = Bytes(buffer).first(static_cast<std::size_t>(got));
    while (const auto header = first_of<nlmsghdr>(rest)) {
      const std::size_t size = header->nlmsg_len;
      if (size < sizeof(*header) || size > rest.size()) break;
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) return peers;
      take(behind(rest.first(size), sizeof(*header)), peers);
      rest = behind(rest, size);
    }
  }
}

}  // namespace cardswap::criu
