#include "tests/support/scripted_peer.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <thread>

#include "agent/base/task_group.h"
#include "migrator/base/mutex.h"

namespace cardswap::test {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::size_t kAskedKept = 1000;

std::string text_of(const ScriptedPeer::Answer& answer, bool keep_alive) {
  return "HTTP/1.1 " + std::to_string(answer.status) + " Said\r\nContent-Type: application/json" +
         "\r\nContent-Length: " + std::to_string(answer.body.size()) +
         (keep_alive ? "" : "\r\nConnection: close") + "\r\n\r\n" + answer.body;
}

}  // namespace

class ScriptedPeer::Server {
 public:
  explicit Server(Script script)
      : script_(std::move(script)), acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {
    tasks_.spawn("accept", accept());
    thread_ = std::jthread([this] { context_.run(); });
  }
  ~Server() {
    asio::post(context_, [this] {
      acceptor_.close();
      tasks_.stop();
    });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void follow(Script script) {
    const MutexLock lock(mutex_);
    script_ = std::move(script);
  }
  [[nodiscard]] std::size_t exchanges() const {
    const MutexLock lock(mutex_);
    return exchanges_;
  }
  [[nodiscard]] std::vector<Asked> asked() const {
    const MutexLock lock(mutex_);
    return {asked_.begin(), asked_.end()};
  }

 private:
  asio::awaitable<void> accept() {
    while (true) {
      boost::system::error_code error;
      auto socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      tasks_.spawn("serve", serve(std::move(socket)));
    }
  }

  asio::awaitable<void> serve(tcp::socket socket) {
    boost::system::error_code error;
    boost::beast::flat_buffer buffer;
    while (!error) {
      http::request<http::string_body> request;
      co_await http::async_read(socket, buffer, request,
                                asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      const auto answer =
          said_to({std::string(request.method_string()), std::string(request.target()),
                   request.body(), std::string(request["Cardswap-Protocol"])});
      if (answer.delay.count() > 0) {
        asio::steady_timer timer(context_, answer.delay);
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      }
      auto text = text_of(answer, request.keep_alive());
      if (answer.cut_after) text.resize(std::min(text.size(), *answer.cut_after));
      co_await asio::async_write(socket, asio::buffer(text),
                                 asio::redirect_error(asio::use_awaitable, error));
      if (answer.cut_after || !request.keep_alive()) co_return;
    }
  }

  Answer said_to(Asked asked) {
    const MutexLock lock(mutex_);
    ++exchanges_;
    asked_.push_back(asked);
    if (asked_.size() > kAskedKept) asked_.pop_front();
    return script_(asked);
  }

  mutable Mutex mutex_;
  Script script_ CARDSWAP_GUARDED_BY(mutex_);
  std::size_t exchanges_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::deque<Asked> asked_ CARDSWAP_GUARDED_BY(mutex_);
  asio::io_context context_;
  TaskGroup tasks_{context_};
  tcp::acceptor acceptor_;
  std::jthread thread_;  // runs the context until all tasks have ended
};

ScriptedPeer::ScriptedPeer(Script script) : server_(std::make_unique<Server>(std::move(script))) {}
ScriptedPeer::~ScriptedPeer() = default;

std::uint16_t ScriptedPeer::port() const { return server_->port(); }
std::string ScriptedPeer::address() const { return "127.0.0.1:" + std::to_string(port()); }
std::string ScriptedPeer::at(const std::string& device) const { return address() + "/" + device; }
void ScriptedPeer::follow(Script script) { server_->follow(std::move(script)); }
std::size_t ScriptedPeer::exchanges() const { return server_->exchanges(); }
std::vector<ScriptedPeer::Asked> ScriptedPeer::asked() const { return server_->asked(); }

}  // namespace cardswap::test
