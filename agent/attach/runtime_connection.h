#pragma once

#include <sys/socket.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/outgoing_bytes.h"
#include "agent/base/time_limit.h"
#include "migrator/wire/frame_reader.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// One runtime's connection to the agent. Shared by its reader, its writer and, while it is a
/// newcomer or attached, by the door or the hub. One thread.
class RuntimeConnection {
 public:
  explicit RuntimeConnection(asio::local::stream_protocol::socket accepted)
      : socket(std::move(accepted)) {}

  asio::local::stream_protocol::socket socket;
  channel::FrameReader frames;
  OutgoingBytes out{1U << 20};
  pid_t process = 0;  ///< at its other end; 0: the agent made the connection itself
  std::string of;     ///< the job of whose session it is, by instance; empty: a stranger's
  std::string key;    ///< by which the hub knows it while it is attached
  std::optional<std::uint32_t> rank;  ///< of a job of many
  std::string follows;  ///< the instance whose rank its process follows; empty: it is a runtime
  bool closed = false;

  /// Closes the connection if stop_limiting() has not been called within `most`.
  void limit_silence(std::chrono::steady_clock::duration most) {
    patience_.emplace(socket.get_executor(), most, [this] { close(); });
  }
  void stop_limiting() { patience_.reset(); }
  /// Queues a message; returns at once. A runtime that reads nothing is closed, as if it were gone.
  void send(const channel::Message& message);
  /// Whether its process still has it, though what it says may not have been read yet.
  [[nodiscard]] bool is_in_use() {
    std::byte next{};
    return !closed &&
           ::recv(socket.native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL) != 0;
  }
  /// Closes it once what was queued is written.
  void finish() {
    closed = true;
    out.finish();
  }
  void close() {
    boost::system::error_code ignored;
    socket.close(ignored);
    patience_.reset();
    finish();
  }

 private:
  std::optional<TimeLimit> patience_;
};

}  // namespace cardswap
