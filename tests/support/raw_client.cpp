#include "tests/support/raw_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/support/process.h"

namespace cardswap::test {
namespace {

int connect_to(int family, const void* address, std::size_t size, const std::string& where) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, static_cast<const sockaddr*>(address), static_cast<socklen_t>(size)) == 0) {
    return fd;
  }
  ::close(fd);
  throw std::runtime_error("nobody listens on " + where);
}

std::string noise(unsigned seed, std::size_t bytes) {
  std::minstd_rand random(seed);
  std::string result(bytes, '\0');
  for (auto& byte : result) byte = static_cast<char>(random() >> 8);
  return result;
}

}  // namespace

RawClient RawClient::at_port(std::uint16_t port, const std::string& host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  const auto where = host + ":" + std::to_string(port);
  return RawClient(connect_to(AF_INET, &address, sizeof(address), where));
}

RawClient RawClient::at_path(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof(address.sun_path) - 1);
  return RawClient(connect_to(AF_UNIX, &address, sizeof(address), path.string()));
}

RawClient::~RawClient() {
  if (fd_ >= 0) ::close(fd_);
}
RawClient::RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

bool RawClient::was_closed() {
  char some = 0;
  ssize_t got = 0;
  while ((got = ::recv(fd_, &some, 1, MSG_DONTWAIT)) > 0) {
  }
  return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void RawClient::say(std::string_view bytes) {
  (void)::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

std::vector<std::string> garbage() {
  std::vector<std::string> all{"",
                               std::string(1, '\0'),
                               std::string(4096, '\0'),
                               std::string(64, '\xff'),
                               std::string(8, '\xff') + noise(0, 1 << 20),
                               "GET /v1/jobs HTTP/1.1\r\nHost: a",
                               "POST /v1/jobs HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{",
                               "POST /v1/jobs HTTP/1.1\r\nContent-Length: 3\r\n\r\n{{{",
                               "GET / HTTP/1.1\r\nX: " + std::string(64 << 10, 'x') + "\r\n\r\n"};
  for (unsigned seed = 1; seed <= 8; ++seed) all.push_back(noise(seed, 4096));
  return all;
}

std::vector<ListeningPort> listening_ports(const std::vector<int>& processes) {
  std::set<std::string> inodes;
  for (const int pid : processes) {
    std::error_code gone;
    const auto fds = "/proc/" + std::to_string(pid) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(fds, gone)) {
      const auto link = std::filesystem::read_symlink(entry.path(), gone).string();
      if (link.starts_with("socket:[")) inodes.insert(link.substr(8, link.size() - 9));
    }
  }
  std::vector<ListeningPort> ports;
  std::istringstream lines(read_file("/proc/net/tcp"));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    // "0: 0100007F:1B9E 00000000:0000 0A tx:rx tr:tm retransmits uid timeout inode ..."
    std::istringstream fields(line);
    std::vector<std::string> words;
    for (std::string word; fields >> word;) words.push_back(word);
    if (words.size() < 10 || words[3] != "0A" || !inodes.contains(words[9])) continue;
    in_addr address{};
    address.s_addr = static_cast<in_addr_t>(std::stoul(words[1].substr(0, 8), nullptr, 16));
    if (address.s_addr == INADDR_ANY) address.s_addr = htonl(INADDR_LOOPBACK);
    std::string host(INET_ADDRSTRLEN, '\0');
    ::inet_ntop(AF_INET, &address, host.data(), INET_ADDRSTRLEN);
    host.resize(host.find('\0'));
    ports.push_back({host, static_cast<std::uint16_t>(std::stoi(words[1].substr(9), nullptr, 16))});
  }
  return ports;
}

}  // namespace cardswap::test
