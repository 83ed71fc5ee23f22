#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

namespace cardswap {

/// The most bytes of a unix socket's path: those of sun_path without the NUL at its end.
inline constexpr std::size_t kSocketPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;

/// The address of the socket at `path`. None: the path is longer than kSocketPathBytesMax.
[[nodiscard]] inline std::optional<sockaddr_un> unix_address(std::string_view path) {
  if (path.size() > kSocketPathBytesMax) return std::nullopt;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!path.empty()) std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace cardswap
