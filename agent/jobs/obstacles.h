#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <vector>

#include "migrator/core/error.h"
#include "migrator/wire/channel.h"

/// What a job's runtime says is in the way of moving it.
namespace cardswap {

/// Those that count where the job arrives in this way, as sentences.
[[nodiscard]] std::vector<std::string> reasons_of(const std::vector<channel::Obstacle>& obstacles,
                                                  channel::Arrival arrive);
/// Refuses the move of `job` by them; nothing when none counts.
[[nodiscard]] std::optional<Error> refusal_by(const std::vector<channel::Obstacle>& obstacles,
                                              channel::Arrival arrive, const std::string& job);
[[nodiscard]] boost::json::array obstacles_json(const std::vector<channel::Obstacle>& obstacles);

}  // namespace cardswap
