#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "agent/task_group.h"

namespace cardswap::health {

/// Follows /dev/kmsg, a fifo or a growing file from its present end, for ever: `line` is called for
/// each line (a record of kmsg), cut at 4 KiB. A file that shrinks or is replaced is read from its
/// start; one that is not there is waited for. `state` is told when that changes: "ok", or why not.
[[nodiscard]] asio::awaitable<void> follow_log(asio::io_context& context,
                                               std::filesystem::path path,
                                               std::function<void(std::string_view)> line,
                                               std::function<void(std::string)> state);

/// Cuts bytes into lines of bounded length, whatever they are.
class LineCutter {
 public:
  explicit LineCutter(std::size_t most = 4096) : most_(most) {}
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& line);

 private:
  std::size_t most_;
  std::string open_;
};

}  // namespace cardswap::health
