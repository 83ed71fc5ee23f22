#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/wire/runtime_messages.h"

/// Obstacles to moving a job, as its runtime reports them.
namespace cardswap {

/// The obstacles that count for this way of arrival, as sentences.
[[nodiscard]] std::vector<std::string> reasons_of(const std::vector<channel::Obstacle>& obstacles,
                                                  Arrival arrive);
/// The refusal to move `job`; nothing if no obstacle counts.
[[nodiscard]] std::optional<Error> refusal_by(const std::vector<channel::Obstacle>& obstacles,
                                              Arrival arrive, const std::string& job);
/// Why no standby can take the job over, whatever is done about it: its program says nothing of its
/// state. Empty where that is not so.
[[nodiscard]] std::string why_it_moves_whole(const std::vector<channel::Obstacle>& obstacles);
[[nodiscard]] boost::json::array obstacles_json(const std::vector<channel::Obstacle>& obstacles);

}  // namespace cardswap
