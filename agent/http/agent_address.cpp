#include "agent/http/agent_address.h"

#include <fmt/format.h>

#include "migrator/base/error.h"

namespace cardswap::http {

AgentAddress parse_agent_address(std::string_view what, std::string_view text) {
  const auto slash = text.find('/');
  auto agent = parse_address(what, text.substr(0, slash));
  if (slash != std::string_view::npos && slash + 1 == text.size()) {
    throw Error(Code::bad_request, fmt::format("{}: '{}' names no device", what, text),
                "write it like gpu-b, gpu-b:7070 or gpu-b:7070/cpu:0");
  }
  return {Endpoint::tcp(std::move(agent)),
          slash == std::string_view::npos ? std::string() : std::string(text.substr(slash + 1))};
}

}  // namespace cardswap::http
