#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap::test {

/// A connection of a stranger. It is open as long as it lives, also while it says nothing.
class RawClient {
 public:
  /// Connects. Throws std::runtime_error if nobody listens there.
  [[nodiscard]] static RawClient at_port(std::uint16_t port, const std::string& host = "127.0.0.1");
  [[nodiscard]] static RawClient at_path(const std::filesystem::path& path);
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;

  /// Sends `bytes`; a peer that has closed already is no failure.
  void say(std::string_view bytes);
  /// Whether the peer has closed. Discards what it sent.
  [[nodiscard]] bool was_closed();

 private:
  explicit RawClient(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// Byte sequences that are no message of any protocol here: noise, lengths of 4 GiB, requests that
/// are cut short, nothing at all.
[[nodiscard]] std::vector<std::string> garbage();

/// A port on which a process listens, as the kernel tells it: an address, not a descriptor.
struct ListeningPort {
  std::string host;
  std::uint16_t port = 0;
};
/// The IPv4 ports on which one of these processes listens, from the kernel's table.
[[nodiscard]] std::vector<ListeningPort> listening_ports(const std::vector<int>& processes);

}  // namespace cardswap::test
