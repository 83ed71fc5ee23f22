#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>

#include "agent/api/router.h"
#include "agent/task_group.h"

namespace cardswap {

/// HTTP/1.1 with JSON on a unix socket and on TCP: bounded headers (16 KiB) and bodies (1 MiB),
/// 30 s to send a request. Connections are tasks of `tasks`.
class ApiServer {
 public:
  ApiServer(asio::io_context& context, TaskGroup& tasks, const Router& router);
  ~ApiServer();

  /// Throws Error{io}: in use, not ours, or no such address.
  void listen_unix(const std::filesystem::path& path);
  void listen_tcp(const std::string& host, std::uint16_t port);
  [[nodiscard]] std::uint16_t tcp_port() const;
  void close();
  [[nodiscard]] bool is_open() const { return unix_.is_open() && tcp_.is_open(); }

 private:
  template <class Acceptor>
  asio::awaitable<void> accept(Acceptor& acceptor);
  template <class Stream>
  asio::awaitable<void> serve(Stream stream);

  TaskGroup& tasks_;
  const Router& router_;
  asio::local::stream_protocol::acceptor unix_;
  asio::ip::tcp::acceptor tcp_;
  std::filesystem::path unix_path_;
};

}  // namespace cardswap
