#include "agent/health/peer_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/address.h"
#include "agent/base/json_fields.h"
#include "agent/http/client.h"
#include "agent/placement/device_json.h"
#include "migrator/base/error.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kAnswerMax{1500};
constexpr milliseconds kOthersMax{500};

/// The state that the requests and their waiter share: a request may outlive the waiter.
struct Answers {
  Signal changed;
  std::size_t open = 0;
  std::vector<PlacementDevice> devices;
};

asio::awaitable<void> ask_one(std::shared_ptr<Answers> answers, std::string address,
                              std::vector<std::string> only) {
  std::vector<PlacementDevice> found;
  try {
    auto there = parse_address("peer", address);
    http::Request request;
    request.target = "/v1/devices";
    request.timeout = kAnswerMax;
    auto endpoint = http::Endpoint::tcp(std::move(there));
    const auto answer = co_await http::call(std::move(endpoint), std::move(request));
    found = devices_from(answer, address, only);
  } catch (const std::exception&) {  // an odd answer, or the end of this agent
    const auto error = error_of(std::current_exception());
    spdlog::info("health: no devices from {}: {}", address, error.failure());
  }
  --answers->open;
  answers->devices.insert(answers->devices.end(), found.begin(), found.end());
  answers->changed.notify();
}

}  // namespace

std::string agent_of(const std::string& destination) {
  return parse_address("spare", destination.substr(0, destination.find('/'))).text();
}

std::string canonical_destination(const std::string& destination) {
  const auto slash = destination.find('/');
  return agent_of(destination) +
         (slash == std::string::npos ? std::string("/") : destination.substr(slash));
}

std::vector<PlacementDevice> devices_from(const json::value& answer, const std::string& address,
                                          const std::vector<std::string>& only) {
  std::vector<PlacementDevice> found;
  if (!answer.is_object()) return found;
  for (const auto& item : array_at(answer.get_object(), "devices")) {
    if (!item.is_object()) continue;
    auto device = device_from(item.get_object(), address);
    if (!device) continue;
    const bool allowed =
        only.empty() || std::any_of(only.begin(), only.end(), [&](const auto& place) {
          return place == device->address() || place == device->host + "/";
        });
    if (allowed) found.push_back(std::move(*device));
  }
  return found;
}

asio::awaitable<std::vector<PlacementDevice>> ask_peers(TaskGroup& tasks,
                                                        std::vector<PeerAgent> peers,
                                                        std::vector<std::string> only) {
  // Owned by the requests and this frame; the last one frees it.
  auto answers = std::make_shared<Answers>();
  for (const auto& peer : peers) {
    ++answers->open;
    tasks.spawn("ask " + peer.address, ask_one(answers, peer.address, only));
  }
  auto until = Clock::now() + kAnswerMax;
  bool one = false;
  while (answers->open > 0 && Clock::now() < until) {
    co_await answers->changed.wait_until(until);
    if (!one && !answers->devices.empty()) {
      one = true;
      until = std::min(until, Clock::now() + kOthersMax);
    }
  }
  co_return answers->devices;
}

}  // namespace cardswap::health
