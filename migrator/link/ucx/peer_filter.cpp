#include "migrator/link/ucx/peer_filter.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>

namespace cardswap::ucx {
namespace {

constexpr std::uint32_t kNetwork = static_cast<std::uint32_t>(SKF_NET_OFF);
constexpr std::uint32_t kV4Source = 12;
constexpr std::uint32_t kV6Source = 8;
constexpr std::uint32_t kAll = 0x7fffffff;
constexpr std::size_t kWords = 4;  // of an IPv6 address

sock_filter load(std::uint32_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
sock_filter end_with(std::uint32_t bytes) { return BPF_STMT(BPF_RET | BPF_K, bytes); }
/// Goes on if the loaded value is equal, else jumps over `skipped` instructions.
sock_filter equal_or_skip(std::uint32_t value, std::size_t skipped) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<std::uint8_t>(skipped));
}

using V6 = std::array<std::uint32_t, kWords>;

struct Addresses {
  std::vector<std::uint32_t> v4;
  std::vector<V6> v6;
};

Addresses addresses_in(const std::string& text) {
  Addresses result;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, word.c_str(), &v4) == 1) {
      result.v4.push_back(ntohl(v4.s_addr));
    } else if (::inet_pton(AF_INET6, word.c_str(), &v6) == 1) {
      V6 parts{};
      std::memcpy(parts.data(), &v6, sizeof(v6));
      for (auto& part : parts) part = ntohl(part);
      if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        result.v4.push_back(parts.back());
      } else {
        result.v6.push_back(parts);
      }
    }
  }
  return result;
}

/// TCP sockets of this process that take connections.
std::vector<std::pair<int, ino_t>> listening() {
  std::vector<std::pair<int, ino_t>> found;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", gone)) {
    const auto name = entry.path().filename().string();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    const auto option = [fd](int which) {
      int value = 0;
      socklen_t size = sizeof(value);
      return ::getsockopt(fd, SOL_SOCKET, which, &value, &size) == 0 ? value : -1;
    };
    struct stat about {};
    if (option(SO_ACCEPTCONN) != 1 || option(SO_TYPE) != SOCK_STREAM) continue;
    if (const auto domain = option(SO_DOMAIN); domain != AF_INET && domain != AF_INET6) continue;
    if (::fstat(fd, &about) == 0) found.emplace_back(fd, about.st_ino);
  }
  return found;
}

}  // namespace

std::vector<sock_filter> filter_for(const std::string& text) {
  const auto allowed = addresses_in(text);
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kNetwork));
  code.push_back(BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4));  // the IP version
  const auto v4_code = 1 + 2 * allowed.v4.size() + 1;
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 1, 0));
  code.push_back(BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(v4_code)));
  code.push_back(load(kNetwork + kV4Source));
  for (const auto address : allowed.v4) {
    code.push_back(equal_or_skip(address, 1));
    code.push_back(end_with(kAll));
  }
  code.push_back(end_with(0));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 1, 0));
  code.push_back(end_with(0));
  for (const auto& address : allowed.v6) {
    for (std::size_t i = 0; i < kWords; ++i) {
      code.push_back(load(kNetwork + kV6Source + static_cast<std::uint32_t>(4 * i)));
      code.push_back(equal_or_skip(address[i], 2 * (kWords - 1 - i) + 1));
    }
    code.push_back(end_with(kAll));
  }
  code.push_back(end_with(0));
  return code;
}

PeerFilter::PeerFilter(const std::string& addresses) {
  if (addresses.empty()) return;
  filter_ = filter_for(addresses);
  for (const auto& [fd, inode] : listening()) before_.insert(inode);
}

void PeerFilter::attach() const {
  if (filter_.empty()) return;
  auto code = filter_;
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  for (const auto& [fd, inode] : listening()) {
    if (before_.contains(inode)) continue;
    // Accepted connections inherit the filter, which lets their peer's segments pass.
    (void)::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
  }
}

}  // namespace cardswap::ucx
