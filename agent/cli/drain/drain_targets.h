#pragma once

#include <string>
#include <vector>

#include "agent/cli/agent_client.h"
#include "agent/placement/placement.h"

namespace cardswap::cli {

/// The hosts to which a drain may move jobs. Asks each agent; waits at most 5 s for each, and 30 s
/// for the peers of the drained one. One thread.
class DrainTargets {
 public:
  /// `wanted` are HOST[:PORT]; empty: the peers of the drained agent. A target that does not answer
  /// becomes one of the problems(). Throws Error{bad_request} for a target that is no address and
  /// if the drained host is among the wanted ones, Error{refused} if there is no other host or none
  /// of them answers, and what Client::call() throws for the drained agent.
  DrainTargets(const http::Endpoint& drained, const std::vector<std::string>& wanted,
               Credentials credentials);

  /// Asks all agents for their devices; those of an agent that does not answer are left out.
  [[nodiscard]] std::vector<PlacementDevice> devices();
  /// Whether the device `address` ("gpu-c:7070/cpu:0") had `job` at the last devices(): its memory
  /// is then already counted as reserved.
  [[nodiscard]] bool lists(const std::string& address, const std::string& job) const;
  /// "gpu-c:7070 does not answer: ...", as of the constructor or the last devices().
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  Credentials credentials_;
  std::vector<http::Endpoint> agents_;
  std::vector<std::string> problems_;
  std::vector<std::pair<std::string, std::string>> jobs_;  ///< address of a device, and a job on it
};

}  // namespace cardswap::cli
