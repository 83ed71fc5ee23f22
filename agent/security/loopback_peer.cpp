#include "agent/security/loopback_peer.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "migrator/base/descriptor.h"

namespace cardswap {
namespace {

namespace ip = boost::asio::ip;

struct Question {
  nlmsghdr header{};
  inet_diag_req_v2 request{};
};

/// The IPv4 address inside of a mapped IPv6 address: with it the kernel finds a socket of either
/// family.
ip::address plain(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

void put(const ip::address& address, __be32* to) {
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    std::memcpy(to, bytes.data(), bytes.size());
  } else {
    const auto bytes = address.to_v6().to_bytes();
    std::memcpy(to, bytes.data(), bytes.size());
  }
}

/// The owner of the socket `asked`; nothing if the answer is about another one. For a socket that
/// its process has closed the kernel says "uid 0": it has no inode, and does not count.
std::optional<uid_t> owner_in(const inet_diag_msg& said, const inet_diag_sockid& asked) {
  const bool open = said.idiag_state == TCP_ESTABLISHED || said.idiag_state == TCP_FIN_WAIT1 ||
                    said.idiag_state == TCP_FIN_WAIT2;
  const bool same =
      said.id.idiag_sport == asked.idiag_sport && said.id.idiag_dport == asked.idiag_dport;
  if (!open || !same || said.idiag_inode == 0) return std::nullopt;
  return said.idiag_uid;
}

}  // namespace

std::optional<uid_t> user_at(const ip::tcp::endpoint& here, const ip::tcp::endpoint& there) {
  const auto ours = plain(here.address());
  const auto theirs = plain(there.address());
  if (!ours.is_loopback() || !theirs.is_loopback() || ours.is_v4() != theirs.is_v4()) {
    return std::nullopt;
  }
  Question question;
  question.header.nlmsg_len = sizeof(question);
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  auto& request = question.request;
  request.sdiag_family = ours.is_v4() ? AF_INET : AF_INET6;
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = ~0U;
  request.id.idiag_sport = htons(there.port());
  request.id.idiag_dport = htons(here.port());
  put(theirs, request.id.idiag_src);
  put(ours, request.id.idiag_dst);
  request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;

  const Descriptor kernel(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!kernel) return std::nullopt;
  alignas(nlmsghdr) std::array<char, 8192> answer{};
  sockaddr_nl from{};
  socklen_t from_size = sizeof(from);
  ssize_t got = ::send(kernel.get(), &question, sizeof(question), 0);
  if (got == sizeof(question)) {  // the kernel has answered when this returns
    got = ::recvfrom(kernel.get(), answer.data(), answer.size(), MSG_DONTWAIT,
                     reinterpret_cast<sockaddr*>(&from), &from_size);
  }
  constexpr std::size_t kLeast = NLMSG_LENGTH(sizeof(inet_diag_msg));
  nlmsghdr header{};
  if (got < static_cast<ssize_t>(kLeast) || from.nl_pid != 0) return std::nullopt;
  std::memcpy(&header, answer.data(), sizeof(header));
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || header.nlmsg_len < kLeast) return std::nullopt;
  inet_diag_msg said{};
  std::memcpy(&said, answer.data() + NLMSG_HDRLEN, sizeof(said));
  return owner_in(said, request.id);
}

}  // namespace cardswap
