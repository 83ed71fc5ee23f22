#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/wire/runtime_messages.h"

/// Texts about the obstacles to a job's move that its runtime reports. Pure.
namespace cardswap {

/// The obstacles that count for this way of arrival, as sentences.
[[nodiscard]] std::vector<std::string> reasons_of(const std::vector<channel::Obstacle>& obstacles,
                                                  ArrivalMode arrive);
/// The error that refuses to move `job`. Nullopt: no obstacle counts for this way of arrival.
[[nodiscard]] std::optional<Error> refusal_by(const std::vector<channel::Obstacle>& obstacles,
                                              ArrivalMode arrive, const std::string& job);
/// Why only the process as a whole can move: its program does not tell Cardswap its state, so that
/// no standby can take it over. Empty: a standby can.
[[nodiscard]] std::string why_it_moves_whole(const std::vector<channel::Obstacle>& obstacles);
[[nodiscard]] boost::json::array obstacles_json(const std::vector<channel::Obstacle>& obstacles);

}  // namespace cardswap
