#include "agent/cli/drain/drain_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/cli/text/fields.h"
#include "agent/http/agent_address.h"
#include "agent/placement/device_json.h"

namespace cardswap::cli {
namespace {

constexpr std::chrono::seconds kAnswerMax{5};

/// A text that no two running agents have in common.
std::string identity(const http::Endpoint& agent, const Credentials& credentials) {
  const auto version = Client(agent, credentials).call("GET", "/v1/version", nullptr, kAnswerMax);
  return text(version, "host") + "/" + text(version, "pid", agent.text()) +
         text(version, "data_dir");
}

}  // namespace

DrainTargets::DrainTargets(const http::Endpoint& drained, const std::vector<std::string>& wanted,
                           Credentials credentials)
    : credentials_(std::move(credentials)) {
  const auto own = identity(drained, credentials_);
  auto names = wanted;
  if (wanted.empty()) {
    const auto answer = Client(drained, credentials_).call("GET", "/v1/peers");
    for (const auto& peer : array_at(answer, "peers")) {
      if (peer.is_string()) names.emplace_back(peer.get_string());
    }
  }
  for (const auto& name : names) {
    const auto agent = http::parse_agent_address("--to", name).agent;
    const auto same = [&](const auto& other) { return other.text() == agent.text(); };
    if (std::any_of(agents_.begin(), agents_.end(), same)) continue;
    bool itself = false;
    try {
      itself = identity(agent, credentials_) == own;
    } catch (const Error& error) {
      problems_.push_back(fmt::format("{} does not answer: {}", agent.text(), error.failure()));
    }
    if (itself && !wanted.empty()) {
      throw Error(Code::bad_request, fmt::format("--to {}: it is the host that is drained", name),
                  "name other hosts");
    }
    if (!itself) agents_.push_back(agent);
  }
  if (agents_.empty()) {
    throw Error(Code::refused, fmt::format("{} knows no other host to move to", drained.text()),
                "name some with --to HOST,..., or start its agent with --peer HOST:PORT");
  }
  if (problems_.size() == agents_.size()) {
    throw Error(Code::refused, fmt::format("{}", fmt::join(problems_, "; ")),
                "start the agents there, or name other hosts with --to");
  }
}

std::vector<PlacementDevice> DrainTargets::devices() {
  problems_.clear();
  jobs_.clear();
  std::vector<PlacementDevice> result;
  for (const auto& agent : agents_) {
    try {
      const auto answer =
          Client(agent, credentials_).call("GET", "/v1/devices", nullptr, kAnswerMax);
      for (const auto& item : array_at(answer, "devices")) {
        if (!item.is_object()) continue;
        auto device = device_from(item.get_object(), agent.text());
        if (!device) continue;
        for (const auto& job : array_at(item.get_object(), "jobs")) {
          if (job.is_string()) jobs_.emplace_back(device->address(), job.get_string());
        }
        result.push_back(std::move(*device));
      }
    } catch (const Error& error) {
      problems_.push_back(fmt::format("{} does not answer: {}", agent.text(), error.failure()));
    }
  }
  return result;
}

bool DrainTargets::lists(const std::string& address, const std::string& job) const {
  return std::find(jobs_.begin(), jobs_.end(), std::pair(address, job)) != jobs_.end();
}

}  // namespace cardswap::cli
