#include "agent/jobs/obstacles.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>

#include "migrator/base/utf8.h"
#include "migrator/wire/moves_whole.h"

namespace cardswap {
namespace {

bool counts(const channel::Obstacle& obstacle, ArrivalMode arrive) {
  return obstacle.always || arrive == ArrivalMode::standby;
}

}  // namespace

std::vector<std::string> reasons_of(const std::vector<channel::Obstacle>& obstacles,
                                    ArrivalMode arrive) {
  std::vector<std::string> reasons;
  for (const auto& obstacle : obstacles) {
    if (!counts(obstacle, arrive)) continue;
    reasons.push_back(as_utf8(obstacle.hint.empty()
                                  ? obstacle.what
                                  : fmt::format("{}: {}", obstacle.what, obstacle.hint)));
  }
  return reasons;
}

std::optional<Error> refusal_by(const std::vector<channel::Obstacle>& obstacles, ArrivalMode arrive,
                                const std::string& job) {
  std::vector<std::string> reasons;
  std::string hint;
  for (const auto& obstacle : obstacles) {
    if (!counts(obstacle, arrive)) continue;
    reasons.push_back(as_utf8(obstacle.what));
    if (hint.empty()) hint = as_utf8(obstacle.hint);
  }
  if (reasons.empty()) return std::nullopt;
  return Error(Code::refused,
               fmt::format("job {} cannot be moved: {}", job, fmt::join(reasons, "; ")), hint);
}

std::string why_it_moves_whole(const std::vector<channel::Obstacle>& obstacles) {
  for (const auto& obstacle : obstacles) {
    if (obstacle.what.ends_with(channel::kMovesWhole)) return as_utf8(obstacle.what);
  }
  return {};
}

boost::json::array obstacles_json(const std::vector<channel::Obstacle>& obstacles) {
  boost::json::array all;
  for (const auto& obstacle : obstacles) {
    all.push_back(boost::json::object{{"reason", as_utf8(obstacle.what)},
                                      {"hint", as_utf8(obstacle.hint)},
                                      {"criu", obstacle.always}});
  }
  return all;
}

}  // namespace cardswap
