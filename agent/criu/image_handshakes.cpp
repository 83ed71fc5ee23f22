#include "agent/criu/image_handshakes.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "agent/base/task_group.h"
#include "agent/base/time_limit.h"
#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"

namespace cardswap::criu {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kLookEvery{10};
constexpr std::chrono::hours kLong{24};

/// The salt, where the greeting has the token.
std::optional<CipherSalt> salt_in(std::span<const std::byte> greeting, std::string token) {
  wire::WireReader r(greeting);
  const auto magic = r.take(kImageMagic.size());
  const auto shown = r.take(kImageTokenBytes);
  token.resize(kImageTokenBytes);
  const bool known = std::ranges::equal(magic, std::as_bytes(std::span(kImageMagic))) &&
                     CRYPTO_memcmp(shown.data(), token.data(), kImageTokenBytes) == 0;
  if (!known) return std::nullopt;
  CipherSalt salt{};
  std::ranges::copy(r.take(salt.size()), salt.begin());
  return salt;
}

}  // namespace

ImageHandshakes::ImageHandshakes(tcp::acceptor& acceptor, std::string token)
    : acceptor_(acceptor), token_(std::move(token)) {}

asio::awaitable<ImageHandshakes::AuthenticatedSender> ImageHandshakes::wait() {
  while (acceptor_.is_open()) {
    const bool full = !let_in();
    if (auto known = next_authenticated()) co_return std::move(*known);
    if (full) co_await pause_for(kLookEvery);  // who waits there would wake us at once, for nothing
    if (!full) co_await next_event();
  }
  throw Error(Code::link_lost, "the wait for the process image was ended");
}

bool ImageHandshakes::let_in() {
  boost::system::error_code error;
  acceptor_.non_blocking(true, error);
  while (!error) {
    tcp::socket socket(acceptor_.get_executor());
    acceptor_.accept(socket, error);
    if (error) break;
    socket.non_blocking(true, error);
    if (pending_.size() >= kTogetherMax) pending_.pop_front();
    pending_.push_back({std::move(socket), Clock::now() + kGreetingMax});
  }
  return error == asio::error::would_block || error == asio::error::try_again;
}

std::optional<ImageHandshakes::AuthenticatedSender> ImageHandshakes::next_authenticated() {
  for (auto sender = pending_.begin(); sender != pending_.end();) {
    boost::system::error_code error;
    const auto rest = asio::buffer(sender->said) + sender->bytes;
    sender->bytes += sender->socket.read_some(rest, error);
    const bool waits = error == asio::error::would_block || error == asio::error::try_again;
    if (sender->bytes == kImageGreetingBytes) {
      if (const auto salt = salt_in(sender->said, token_)) {
        AuthenticatedSender known{std::move(sender->socket), *salt};
        pending_.clear();
        return known;
      }
    } else if ((!error || waits) && Clock::now() < sender->until) {
      ++sender;
      continue;
    }
    sender = pending_.erase(sender);
  }
  return std::nullopt;
}

/// Waits for a connection, but only a moment while a greeting is being read.
asio::awaitable<void> ImageHandshakes::next_event() {
  const auto moment = pending_.empty() ? Clock::duration(kLong) : Clock::duration(kLookEvery);
  const TimeLimit look(acceptor_.get_executor(), moment, [this] {
    boost::system::error_code ignored;
    acceptor_.cancel(ignored);
  });
  boost::system::error_code error;
  co_await acceptor_.async_wait(tcp::acceptor::wait_read,
                                asio::redirect_error(asio::use_awaitable, error));
}

}  // namespace cardswap::criu
