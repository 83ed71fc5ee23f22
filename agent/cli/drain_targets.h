#pragma once

#include <string>
#include <vector>

#include "agent/cli/client.h"
#include "agent/placement/placement.h"

namespace cardswap::cli {

/// The hosts that a drain may move jobs to, each by its agent's address. One thread.
class DrainTargets {
 public:
  /// `wanted` are HOST[:PORT]; none: the peers of the drained agent. Throws Error: bad_request
  /// where the drained host itself is wanted, refused where there is no host to move to.
  DrainTargets(const http::Endpoint& drained, const std::vector<std::string>& wanted,
               Credentials credentials);

  /// The devices as the agents tell now; none of those that do not answer.
  [[nodiscard]] std::vector<PlacementDevice> devices();
  /// Whether the agent at `address` lists the job, for those whose reservation is not made yet.
  [[nodiscard]] bool lists(const std::string& address, const std::string& job) const;
  /// "gpu-c:7070 does not answer: ...", as of the last devices().
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  Credentials credentials_;
  std::vector<http::Endpoint> agents_;
  std::vector<std::string> problems_;
  std::vector<std::pair<std::string, std::string>> jobs_;  ///< device's address, job
};

}  // namespace cardswap::cli
