#include "runtime/holder/try_data.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/link/link.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTryMax{5};
constexpr std::chrono::milliseconds kTurn{2};

struct End final : LinkListener {
  void on_control(LinkId, std::span<const std::byte>) override { heard = true; }
  std::span<std::byte> reserve(LinkId, std::span<const std::byte>, std::size_t) override {
    throw Error(Code::bad_request, "nobody asked for data");
  }
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override {}
  void on_lost(LinkId, std::string_view why) override { lost = std::string(why); }

  bool heard = false;
  std::optional<std::string> lost;
};

/// What does not work; empty: a message arrived.
std::string what_fails(const std::string& host, const std::string& transports) {
  const auto there = listening_host(host);
  // Within one process UCX would otherwise not use the network at all.
  const auto way = transports.empty() ? "tcp" : transports;
  End target;
  End source;
  const auto listening = listen_bare_link(there, {way}, target);
  const auto connecting = connect_bare_link(there, listening->port(), {way}, source);
  connecting->send_control(kServer, {std::byte{1}});
  for (const auto until = Clock::now() + kTryMax; !target.heard && Clock::now() < until;) {
    listening->wait(Clock::now() + kTurn);
    connecting->wait(Clock::now() + kTurn);
    if (source.lost) return link_address(there, listening->port()) + ": " + *source.lost;
    if (target.lost) return link_address(there, listening->port()) + ": " + *target.lost;
  }
  if (target.heard) return {};
  return fmt::format("{}: nothing arrived within {} s", link_address(there, listening->port()),
                     kTryMax.count());
}

}  // namespace

int try_data(const std::string& host, const std::string& transports) {
  std::string failed;
  try {
    failed = what_fails(host, transports);
  } catch (...) {
    failed = error_of(std::current_exception()).failure();
  }
  std::printf("\ndata %s\n", failed.empty() ? "ok" : failed.c_str());
  return 0;
}

}  // namespace cardswap
