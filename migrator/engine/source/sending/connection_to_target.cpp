#include "migrator/engine/source/sending/connection_to_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "migrator/base/steady_ns.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;

constexpr int kClockPings = 8;
constexpr milliseconds kGoodbyeMax{100};

}  // namespace

ConnectionToTarget::ConnectionToTarget(const SourceOptions& options, MakeLink make_link,
                                       std::stop_token stop)
    : options_(options), make_link_(std::move(make_link)), stop_(std::move(stop)) {}

ConnectionToTarget::~ConnectionToTarget() { close(); }

void ConnectionToTarget::connect() {
  link_ = make_link_(*this);
  {
    const MutexLock lock(mutex_);
    woken_ = link_.get();
  }
  liveness_.note_contact(Clock::now());
  send(data::Authenticate{data::kMagic, data::kVersion, options_.migration, options_.token});
}

void ConnectionToTarget::measure_clocks() {
  for (int i = 0; i < kClockPings; ++i) {
    const auto before = clock_.answers();
    ping();
    progress_until([&] { return clock_.answers() != before; });
  }
}

void ConnectionToTarget::ping() {
  const auto now = steady_ns();
  clock_.pinged(now);
  send(data::Ping{now});
}

void ConnectionToTarget::wake() {
  const MutexLock lock(mutex_);
  if (woken_ != nullptr) woken_->wake();
}

void ConnectionToTarget::close() noexcept {
  {
    const MutexLock lock(mutex_);
    woken_ = nullptr;
  }
  const auto link = std::exchange(link_, nullptr);
  if (!link) return;
  try {
    link->send_control(kServer, data::encode(data::Abort{"the source ended the migration"}));
    const auto deadline = Clock::now() + kGoodbyeMax;
    while (link->control_in_flight() != 0 && Clock::now() < deadline) link->wait(deadline);
  } catch (const std::exception&) {
    // The peer is gone; it notices by itself.
  }
}

void ConnectionToTarget::progress(Clock::time_point deadline) {
  if (stop_.stop_requested()) throw Error(Code::cancelled, "the migration was cancelled");
  const auto now = Clock::now();
  if (now >= ping_due_) {
    ping_due_ = now + kHeartbeat;
    ping();
  }
  const auto in_flight = link_->payloads_in_flight();
  link_->wait(std::min(deadline, ping_due_));
  if (link_->payloads_in_flight() < in_flight) liveness_.note_contact(Clock::now());
  if (refused_) throw Error(*refused_);
  if (liveness_.elapsed(Clock::now()) > options_.silence_max) {
    throw Error(
        Code::link_lost,
        fmt::format("nothing was heard from {} for {} ms", peer(), options_.silence_max.count()),
        "the job goes on where it is; look at the target's agent and the network");
  }
}

void ConnectionToTarget::send(const data::Message& message) {
  link_->send_control(kServer, data::encode(message));
}

void ConnectionToTarget::send_payload(std::vector<std::byte> header,
                                      std::span<const std::byte> payload,
                                      std::shared_ptr<const void> owner) {
  link_->send_payload(kServer, std::move(header), payload, std::move(owner));
}

// ---- what the target says

void ConnectionToTarget::on_control(LinkId, std::span<const std::byte> bytes) {
  liveness_.note_contact(Clock::now());
  auto message = data::decode(bytes);
  if (auto* refuse = std::get_if<data::Refused>(&message)) {
    refused_ = Error(refuse->code, refuse->failure, refuse->hint);
  } else if (const auto* pong = std::get_if<data::Pong>(&message)) {
    clock_.answered(pong->sent_ns, pong->target_ns, steady_ns());
  } else {
    answers_.store(std::move(message));
    was_accepted_ = was_accepted_ || answers_.accepted;
  }
}

std::span<std::byte> ConnectionToTarget::reserve(LinkId, std::span<const std::byte>, std::size_t) {
  throw Error(Code::bad_request, "the target sent a payload");
}

void ConnectionToTarget::on_lost(LinkId, std::string_view why) {
  refused_ = Error(was_accepted_ ? Code::link_lost : Code::unreachable,
                   fmt::format("data link to {}: {}", peer(), why),
                   "the job goes on where it is; look at the target's agent and the network");
}

std::string ConnectionToTarget::peer() const { return link_address(options_.host, options_.port); }

}  // namespace cardswap
