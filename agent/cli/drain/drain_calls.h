#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <string>

#include "agent/cli/agent_client.h"
#include "agent/cli/interrupts.h"

namespace cardswap::cli {

/// One call to the drained agent that may be made twice.
struct DrainCall {
  std::string method = "GET";
  std::string path;
  boost::json::value body = nullptr;
  std::chrono::milliseconds timeout = std::chrono::seconds(5);
};
/// Calls the drained agent, and again for up to 30 s while it does not answer: it may restart
/// meanwhile. Throws Error{source_lost} if it does not come back or an interrupt comes first (which
/// is taken), and whatever it answers.
[[nodiscard]] boost::json::object call_drained(Client client, const Interrupts& interrupts,
                                               const DrainCall& made);

}  // namespace cardswap::cli
