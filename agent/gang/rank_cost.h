#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "migrator/wire/runtime_messages.h"

namespace cardswap::gang {

/// What a gang costs one rank, as its runtime tells its agent. A value.
struct RankCost {
  std::optional<channel::LateSteps> late;                  ///< how late its steps are here
  std::optional<channel::CommunicatorsTook> communicator;  ///< of a rank that stays

  /// Takes a message of the runtime. False: it says nothing of this.
  bool note(const std::string& gang, const channel::Message& message);
};

/// Adds it to a report, under "cost"; nothing where nothing is known.
void put_cost(boost::json::object& to, const RankCost& cost);
/// Reads put_cost(). What cannot be read is left out.
[[nodiscard]] RankCost cost_from(const boost::json::object& report);

}  // namespace cardswap::gang
