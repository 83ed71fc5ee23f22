/// What a process sends to the store at which ranks meet: real sockets, as the store has no parser
/// without them.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <memory>

#include "agent/base/task_group.h"
#include "agent/gang/rendezvous/tcp_store.h"
#include "tests/fuzz/seeds.h"

namespace {

using namespace cardswap;
using gang::StoreQuery;
using tcp = asio::ip::tcp;

/// A request, as torch's client writes it.
class Request {
 public:
  explicit Request(StoreQuery query) {
    number(std::uint8_t(StoreQuery::validate)).number(gang::kStoreMagic);
    number(std::uint8_t(query));
  }
  template <class Number>
  Request& number(Number value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(value));
    return *this;
  }
  Request& text(const std::string& value) {
    number(std::uint64_t{value.size()});
    const auto bytes = fuzz::bytes_of(value);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// A store, and the end of a connection to it.
class Server {
 public:
  Server() : store_(std::make_shared<gang::TcpStore>(context_, tasks_, "127.0.0.1", none())) {
    store_->start();
  }
  ~Server() {
    store_->close();
    tasks_.stop();
    context_.restart();
    while (!tasks_.empty() && context_.run_one() > 0) {
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Sends `bytes`, and hears what there is until the store has nothing left to do.
  void take(std::span<const std::byte> bytes) {
    tcp::socket client(context_);
    client.connect({asio::ip::make_address("127.0.0.1"), store_->port()});
    client.non_blocking(true);
    std::array<char, 65536> heard;
    const auto work = [&] {
      context_.restart();
      for (std::size_t did = 1; did > 0;) {
        did = context_.poll();
        boost::system::error_code none;
        while (client.read_some(asio::buffer(heard), none) > 0) did = 1;
      }
    };
    work();
    for (std::size_t sent = 0; sent < bytes.size();) {
      boost::system::error_code full;
      const auto piece = asio::buffer(bytes.data() + sent, bytes.size() - sent);
      const auto took = client.write_some(piece, full);
      if (took == 0 && full != asio::error::would_block) break;  // it has closed the connection
      sent += took;
      work();
    }
    client.close();
    work();
  }

 private:
  static std::set<std::string> none() { return {}; }

  asio::io_context context_;
  TaskGroup tasks_{context_};
  std::shared_ptr<gang::TcpStore> store_;
};

}  // namespace

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  const auto of = [](StoreQuery query) { return Request(query); };
  return {of(StoreQuery::ping).number(std::uint32_t{7}).bytes(),
          of(StoreQuery::set).text("key").text("value").bytes(),
          of(StoreQuery::compare_set).text("key").text("").text("value").bytes(),
          of(StoreQuery::get).text("key").bytes(),
          of(StoreQuery::add).text("n").number(std::int64_t{7}).bytes(),
          of(StoreQuery::check).number(std::uint64_t{2}).text("key").text("n").bytes(),
          of(StoreQuery::wait).number(std::uint64_t{1}).text("key").bytes(),
          of(StoreQuery::count_keys).bytes(),
          of(StoreQuery::remove).text("key").bytes(),
          of(StoreQuery::append).text("key").text("more").bytes(),
          of(StoreQuery::get_many).number(std::uint64_t{2}).text("key").text("n").bytes(),
          of(StoreQuery::set_many).number(std::uint64_t{1}).text("key").text("value").bytes(),
          of(StoreQuery::cancel_wait).bytes()};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Server server;  // its values stay: a request meets what earlier ones have left
  server.take(fuzz::view(data, size));
  return 0;
}
