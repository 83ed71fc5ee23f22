#include "agent/criu/unix_peers.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "migrator/base/descriptor.h"

namespace cardswap::criu {
namespace {

void take(const nlmsghdr& header, std::map<std::uint64_t, std::uint64_t>& peers) {
  if (header.nlmsg_len < NLMSG_LENGTH(sizeof(unix_diag_msg))) return;
  const auto* message = static_cast<const unix_diag_msg*>(NLMSG_DATA(&header));
  auto left = static_cast<int>(header.nlmsg_len - NLMSG_LENGTH(sizeof(*message)));
  const auto* attribute = reinterpret_cast<const rtattr*>(message + 1);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    std::uint32_t peer = 0;
    if (attribute->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(attribute) < sizeof(peer)) continue;
    std::memcpy(&peer, RTA_DATA(attribute), sizeof(peer));
    peers[message->udiag_ino] = peer;
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
  alignas(nlmsghdr) std::array<char, 32768> buffer{};
  while (true) {
    auto got = static_cast<int>(::recv(socket.get(), buffer.data(), buffer.size(), 0));
    if (got <= 0) return peers;
    const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; NLMSG_OK(header, static_cast<unsigned>(got)); header = NLMSG_NEXT(header, got)) {
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) return peers;
      take(*header, peers);
    }
  }
}

}  // namespace cardswap::criu
