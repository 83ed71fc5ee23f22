#pragma once

#include <string>
#include <string_view>

#include "agent/http/client.h"

namespace cardswap::cli {

/// Another host's agent, and perhaps one device of it, as people name them.
struct AgentAddress {
  http::Endpoint agent;
  std::string device;  ///< empty: the whole host

  /// "gpu-b:7070", "gpu-b:7070/cpu:0"
  [[nodiscard]] std::string text() const {
    return device.empty() ? agent.text() : agent.text() + "/" + device;
  }
};

/// "HOST[:PORT][/DEVICE]"; port 7070 unless given. Throws Error{bad_request} naming `what`.
[[nodiscard]] AgentAddress parse_agent_address(std::string_view what, std::string_view text);

}  // namespace cardswap::cli
