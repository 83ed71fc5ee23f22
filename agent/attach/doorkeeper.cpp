#include "agent/attach/doorkeeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/attach/peer_check.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kHelloTimeMax{2};
constexpr std::chrono::seconds kLookAgain{1};
constexpr std::chrono::seconds kTellEvery{10};
constexpr int kRefusalsLoggedMax = 16;  // refusals in that time that have a line each

}  // namespace

bool Doorkeeper::has_job_of(uid_t user) const {
  return std::ranges::any_of(jobs_.instances(),
                             [&](const Instance* instance) { return is_run_by(*instance, user); });
}

std::shared_ptr<RuntimeConnection> Doorkeeper::let_in(asio::local::stream_protocol::socket socket) {
  const auto peer = peer_of(socket.native_handle());
  const auto session = session_of(peer);
  const auto all = jobs_.instances();
  const auto leader = std::ranges::find_if(all, [&](const Instance* instance) {
    return instance->is_live() && instance->program().pid == session;
  });
  const bool is_known = leader != all.end() || peer.uid == 0 || peer.uid == ::geteuid();
  if (!is_known && !has_job_of(peer.uid) &&
      std::ranges::none_of(all, &Instance::is_being_started)) {
    spdlog::debug("process {} of uid {} belongs to no job", peer.pid, peer.uid);
    return nullptr;
  }
  auto connection = std::make_shared<RuntimeConnection>(std::move(socket));
  if (leader != all.end()) connection->of = (*leader)->id();
  make_room(connection->of);
  newcomers_.push_back(connection);
  connection->limit_silence(kHelloTimeMax);
  return connection;
}

void Doorkeeper::make_room(const std::string& of) {
  const auto alike = [&](const std::shared_ptr<RuntimeConnection>& other) {
    return other->of == of;
  };
  const auto most = of.empty() ? kStrangersMax : kOfAJobMax;
  const auto count = std::count_if(newcomers_.begin(), newcomers_.end(), alike);
  if (static_cast<std::size_t>(count) < most) return;
  const auto oldest = std::find_if(newcomers_.begin(), newcomers_.end(), alike);
  (*oldest)->close();
  newcomers_.erase(oldest);
}

asio::awaitable<void> Doorkeeper::await_start(channel::Hello hello) const {
  const auto starts = [&] {
    const auto* instance = jobs_.by_token(hello.job, hello.token);
    return instance != nullptr && instance->is_being_started();
  };
  while (starts()) {
    co_await jobs_.changed().wait_until(std::chrono::steady_clock::now() + kLookAgain);
  }
}

Instance& Doorkeeper::identify(const channel::Hello& hello, RuntimeConnection& connection) const {
  check_protocol(hello.runtime_version, hello.protocol_version);
  auto* instance = jobs_.by_token(hello.job, hello.token);
  if (instance == nullptr) throw no_such_job(hello.job);
  const auto peer = peer_of(connection.socket.native_handle());
  const bool is_of_many = hello.ranks > 1;
  check_belongs(peer, *instance, is_of_many);
  if (is_of_many) check_rank(*instance, hello);
  if (is_of_many) connection.rank = hello.rank;
  connection.process = peer.pid;
  return *instance;
}

Instance& Doorkeeper::identify(const channel::Follow& follow, RuntimeConnection& connection) const {
  check_protocol("cardswap follow", follow.protocol_version);
  auto* instance = jobs_.by_token(follow.job, follow.token, JobList::Liveness::or_moved);
  if (instance == nullptr) throw no_such_job(follow.job);
  const auto peer = peer_of(connection.socket.native_handle());
  check_belongs(peer, *instance, true);
  connection.process = peer.pid;
  connection.rank = follow.rank;
  connection.follows = instance->id();
  return *instance;
}

void Doorkeeper::forget(const std::shared_ptr<RuntimeConnection>& connection) {
  connection->stop_limiting();
  newcomers_.remove(connection);
}

/// Any process of a job's user can be refused as often as it likes: that may not fill the log.
void Doorkeeper::log_refusal(const Error& refused) {
  if (logged_refusals_ == kRefusalsLoggedMax) {
    ++suppressed_refusals_;
    return;
  }
  if (logged_refusals_++ == 0) tasks_.spawn("tell of refused runtimes", log_suppressed());
  spdlog::warn("a runtime was refused: {}", refused.what());
}

asio::awaitable<void> Doorkeeper::log_suppressed() {
  co_await pause_for(kTellEvery);
  if (suppressed_refusals_ > 0) {
    spdlog::warn("{} more runtimes were refused, each told why",
                 std::exchange(suppressed_refusals_, 0));
  }
  logged_refusals_ = 0;
}

void Doorkeeper::close() {
  for (auto& connection : newcomers_) connection->close();
}

}  // namespace cardswap
