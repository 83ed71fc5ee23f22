#include "agent/cli/agent_address.h"

#include <fmt/format.h>

#include "agent/handover/migration.h"

namespace cardswap::cli {

AgentAddress parse_agent_address(std::string_view what, std::string_view text) {
  const bool has_device = text.find('/') != std::string_view::npos;
  try {
    const auto at = parse_destination(has_device ? std::string(text) : std::string(text) + "/-");
    return {http::Endpoint::tcp(at.host, at.port), has_device ? at.device : std::string()};
  } catch (const Error&) {
    throw Error(Code::bad_request, fmt::format("{}: '{}' is not understood", what, text),
                "write it like gpu-b, gpu-b:7070 or gpu-b:7070/cpu:0");
  }
}

}  // namespace cardswap::cli
