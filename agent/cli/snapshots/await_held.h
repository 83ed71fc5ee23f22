#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// Waits until the job stands at `step` or a later one, without limit, and returns its record.
/// Shows how far it is. Throws Error{source_lost} if it ends or moves before, Error{cancelled} at a
/// signal (the job goes on to that step), Error{internal} if its state cannot be read there, and
/// what Client::call() throws.
[[nodiscard]] boost::json::object await_held(const Context& context, Client& client,
                                             const std::string& job, std::uint64_t step);

/// "job gpt stands at step 41000, digest 90d1...\n"
[[nodiscard]] std::string held_text(const boost::json::object& job);

}  // namespace cardswap::cli
