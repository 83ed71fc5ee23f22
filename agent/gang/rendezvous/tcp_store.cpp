#include "agent/gang/rendezvous/tcp_store.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio/read.hpp>
#include <chrono>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/base/accept_each.h"
#include "agent/base/address.h"
#include "agent/base/descriptor_share.h"
#include "agent/base/outgoing_bytes.h"
#include "agent/base/time_limit.h"
#include "migrator/base/error.h"

namespace cardswap::gang {

using asio::ip::tcp;

namespace {

constexpr std::size_t kUnreadBytesMax = 16U << 20;

}  // namespace

/// One connection; shared by its reader, its writer and the store.
class TcpStore::Client {
 public:
  explicit Client(tcp::socket accepted) : socket(std::move(accepted)) {}

  tcp::socket socket;
  OutgoingBytes out{kUnreadBytesMax};
  std::optional<std::vector<std::string>> awaited;  // keys of its wait
  bool closed = false;

  void close() {
    closed = true;
    boost::system::error_code ignored;
    socket.close(ignored);
    out.finish();
  }
  void put_bytes(const void* bytes, std::size_t size) {
    if (out.add({static_cast<const char*>(bytes), size})) return;
    throw Error(Code::refused, "a client of the rendezvous' store reads nothing");
  }
  template <class Number>
  requires std::is_trivially_copyable_v<Number>
  void put(Number number) { put_bytes(&number, sizeof(number)); }
  void put(const std::string& value) {
    put(std::uint64_t{value.size()});
    put_bytes(value.data(), value.size());
  }

  template <class Number>
  asio::awaitable<Number> number() {
    Number value{};
    co_await asio::async_read(socket, asio::buffer(&value, sizeof(value)), asio::use_awaitable);
    co_return value;
  }
  asio::awaitable<std::string> text(std::size_t bytes_max) {
    const auto size = co_await number<std::uint64_t>();
    if (size > bytes_max) throw Error(Code::bad_request, "a text that is too long");
    std::string value(size, '\0');
    co_await asio::async_read(socket, asio::buffer(value), asio::use_awaitable);
    co_return value;
  }
  asio::awaitable<std::string> key() { return text(kStoreKeyBytesMax); }
  asio::awaitable<std::string> value() { return text(kStoreValueBytesMax); }
  asio::awaitable<std::vector<std::string>> keys() {
    const auto count = co_await number<std::uint64_t>();
    if (count > kStoreKeysMax) throw Error(Code::bad_request, "too many keys");
    std::vector<std::string> all;
    std::size_t bytes = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      all.push_back(co_await key());
      bytes += all.back().size();
      if (bytes > kUnreadBytesMax) throw Error(Code::bad_request, "too many keys");
    }
    co_return all;
  }
};

TcpStore::TcpStore(asio::io_context& context, TaskGroup& tasks, const std::string& host,
                   std::set<std::string> peers, std::uint16_t port,
                   std::chrono::milliseconds silence_max)
    : tasks_(tasks),
      peers_(std::move(peers)),
      silence_max_(silence_max),
      clients_max_(share_of_descriptors(2, kStoreClientsMax)),
      acceptor_(context) {
  try {
    const tcp::endpoint at(asio::ip::make_address(without_zone(host)), port);
    acceptor_.open(at.protocol());
    // Of the first one too: what is left of its connections keeps the port from those without it.
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(at);
    acceptor_.listen();
    port_ = acceptor_.local_endpoint().port();
  } catch (const boost::system::system_error& error) {
    throw Error(
        Code::io,
        fmt::format("listen at {} for the ranks of a job: {}", host, error.code().message()),
        "is it an address of this host?");
  }
}

TcpStore::~TcpStore() { close(); }

void TcpStore::start() {
  tasks_.spawn("accept ranks at a store",
               accept_each(acceptor_, [self = shared_from_this()](tcp::socket socket) {
                 self->take(std::move(socket));
               }));
}

void TcpStore::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (const auto& client : std::exchange(clients_, {})) client->close();
}

bool TcpStore::may_come(const tcp::socket& socket) const {
  boost::system::error_code gone;
  const auto peer = socket.remote_endpoint(gone);
  if (gone) return false;
  const auto host = canonical_host(without_zone(peer.address().to_string()));
  return is_loopback(host) || peers_.contains(host);
}

void TcpStore::take(tcp::socket socket) {
  if (clients_.size() >= clients_max_ || !may_come(socket)) return;  // closes it
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const auto client = std::make_shared<Client>(std::move(socket));
  clients_.push_back(client);
  tasks_.spawn("a rank at a store", serve(shared_from_this(), client));
  tasks_.spawn("answers of a store", write(shared_from_this(), client));
}

asio::awaitable<void> TcpStore::serve(std::shared_ptr<TcpStore> self,
                                      std::shared_ptr<Client> client) {
  // Who says nothing holds a descriptor of the agent's that a rank may need.
  std::optional<TimeLimit> silence(std::in_place, client->socket.get_executor(), silence_max_,
                                   [client] { client->close(); });
  try {
    const auto first = co_await client->number<std::uint8_t>();
    if (first != static_cast<std::uint8_t>(StoreQuery::validate) ||
        co_await client->number<std::uint32_t>() != kStoreMagic) {
      throw Error(Code::bad_request, "no client of torch's store");
    }
    silence.reset();
    while (!client->closed) {
      const auto query = co_await client->number<std::uint8_t>();
      co_await answer(client, static_cast<StoreQuery>(query));
    }
  } catch (const Error& refused) {
    spdlog::debug("a connection to the rendezvous' store is closed: {}", refused.what());
  } catch (const boost::system::system_error&) {
    // its process has ended, or the agent stops
  }
  client->close();
  self->clients_.remove(client);
}

asio::awaitable<void> TcpStore::answer(std::shared_ptr<Client> client, StoreQuery query) {
  switch (query) {
    case StoreQuery::ping: client->put(co_await client->number<std::uint32_t>()); break;
    case StoreQuery::set: {
      const auto key = co_await client->key();
      values_.set(key, co_await client->value());
      wake();
      break;
    }
    case StoreQuery::compare_set: {
      const auto key = co_await client->key();
      const auto expected = co_await client->value();
      client->put(values_.compare_set(key, expected, co_await client->value()));
      wake();
      break;
    }
    case StoreQuery::get: client->put(values_.get(co_await client->key())); break;
    case StoreQuery::add: {
      const auto key = co_await client->key();
      client->put(values_.add(key, co_await client->number<std::int64_t>()));
      wake();
      break;
    }
    case StoreQuery::check: {
      const bool ready = values_.has_all(co_await client->keys());
      client->put(ready ? StoreCheck::ready : StoreCheck::not_ready);
      break;
    }
    case StoreQuery::wait:
      client->awaited = co_await client->keys();
      wake();
      break;
    case StoreQuery::count_keys: client->put(static_cast<std::int64_t>(values_.size())); break;
    case StoreQuery::remove: client->put(values_.remove(co_await client->key())); break;
    case StoreQuery::append: {
      const auto key = co_await client->key();
      values_.append(key, co_await client->value());
      wake();
      break;
    }
    case StoreQuery::get_many:
      for (const auto& key : co_await client->keys()) client->put(values_.get(key));
      break;
    case StoreQuery::set_many: {
      const auto count = co_await client->number<std::uint64_t>();
      if (count > kStoreKeysMax) throw Error(Code::bad_request, "too many keys");
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto key = co_await client->key();
        values_.set(key, co_await client->value());
      }
      wake();
      break;
    }
    case StoreQuery::cancel_wait:
      client->awaited.reset();
      client->put(StoreWait::cancelled);
      break;
    default: throw Error(Code::bad_request, "a request that the store does not know");
  }
}

void TcpStore::wake() {
  for (const auto& client : clients_) {
    if (!client->awaited || !values_.has_all(*client->awaited)) continue;
    client->awaited.reset();
    try {
      client->put(StoreWait::over);
    } catch (const Error&) {  // it reads nothing: its own reader ends it
      client->close();
    }
  }
}

asio::awaitable<void> TcpStore::write(std::shared_ptr<TcpStore> self,
                                      std::shared_ptr<Client> client) {
  co_await client->out.write_to(client->socket);
  client->close();
  (void)self;
}

}  // namespace cardswap::gang
