#pragma once

#include <string>
#include <string_view>

#include "agent/http/client.h"

namespace cardswap::cli {

/// An agent of another host, and perhaps one of its devices, as a user writes it.
struct AgentAddress {
  http::Endpoint agent;
  std::string device;  ///< empty: the whole host

  /// "gpu-b:7070", "gpu-b:7070/cpu:0"
  [[nodiscard]] std::string text() const {
    return device.empty() ? agent.text() : agent.text() + "/" + device;
  }
};

/// Reads "HOST[:PORT][/DEVICE]"; the port is 7070 if none is given. Throws Error{bad_request} whose
/// text begins with `what`, the option or field that `text` is of.
[[nodiscard]] AgentAddress parse_agent_address(std::string_view what, std::string_view text);

}  // namespace cardswap::cli
