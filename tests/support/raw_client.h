#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap::test {

/// A connection of somebody who should not be there; open for as long as it lives, which is also
/// what a peer does that connects and then says nothing.
class RawClient {
 public:
  /// Throw std::runtime_error when nobody listens there.
  [[nodiscard]] static RawClient at_port(std::uint16_t port, const std::string& host = "127.0.0.1");
  [[nodiscard]] static RawClient at_path(const std::filesystem::path& path);
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;

  /// A peer that has closed already is no failure.
  void say(std::string_view bytes);
  /// Throws away what came and tells whether the peer has closed.
  [[nodiscard]] bool was_closed();

 private:
  explicit RawClient(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// Bytes that are no message of any protocol here: noise, lengths of 4 GiB, requests cut short,
/// nothing at all.
[[nodiscard]] std::vector<std::string> garbage();

struct ListeningPort {
  std::string host;
  std::uint16_t port = 0;
};
/// Where one of these processes listens on IPv4, by the kernel's table.
[[nodiscard]] std::vector<ListeningPort> listening_ports(const std::vector<int>& processes);

}  // namespace cardswap::test
