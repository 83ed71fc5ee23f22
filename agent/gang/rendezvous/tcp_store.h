#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <set>
#include <string>

#include "agent/base/task_group.h"
#include "agent/gang/rendezvous/store_values.h"

namespace cardswap::gang {

/// The store at which the ranks of a job's next epoch meet: torch.distributed.TCPStore is its
/// client, and finds it to be its own server. It outlives each rank; its values do not outlive the
/// agent.
///
/// Anybody who reaches the port may read and write, as with torch's own; so only callers from
/// `peers` are heard. Bounded (store_words.h): a connection that asks for too much is closed.
/// Shared by its maker and by its coroutines. One thread.
class TcpStore : public std::enable_shared_from_this<TcpStore> {
 public:
  /// Takes a port at `host`, a numeric address of this host, and listens there. `peers`: the
  /// addresses that may connect, in the form of canonical_host(), besides those of this host's
  /// loopback. `port` 0: one that is free. A connection that has not said that it is torch's within
  /// `silence_max` is closed. Throws Error{io}.
  TcpStore(asio::io_context& context, TaskGroup& tasks, const std::string& host,
           std::set<std::string> peers, std::uint16_t port = 0,
           std::chrono::milliseconds silence_max = std::chrono::seconds(10));
  ~TcpStore();
  TcpStore(const TcpStore&) = delete;
  TcpStore& operator=(const TcpStore&) = delete;

  /// Begins to serve; returns at once.
  void start();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Closes all connections and the port.
  void close();

 private:
  class Client;
  /// Serves a new connection, or drops it.
  void take(asio::ip::tcp::socket socket);
  asio::awaitable<void> serve(std::shared_ptr<TcpStore> self, std::shared_ptr<Client> client);
  asio::awaitable<void> write(std::shared_ptr<TcpStore> self, std::shared_ptr<Client> client);
  asio::awaitable<void> answer(std::shared_ptr<Client> client, StoreQuery query);
  /// Answers those who wait for keys that are all there now.
  void wake();
  [[nodiscard]] bool may_come(const asio::ip::tcp::socket& socket) const;

  TaskGroup& tasks_;
  const std::set<std::string> peers_;
  const std::chrono::milliseconds silence_max_;
  const std::size_t clients_max_;  // a share of the agent's descriptors
  asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  StoreValues values_;
  std::list<std::shared_ptr<Client>> clients_;
};

}  // namespace cardswap::gang
