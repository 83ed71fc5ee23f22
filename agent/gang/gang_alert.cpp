#include "agent/gang/gang_alert.h"

#include <fmt/format.h>

namespace cardswap::gang {
namespace {

std::string what_is_wrong(GangState state, const GangRecord& gang) {
  const auto& to = gang.spec.to;
  switch (state) {
    case GangState::broken:
      return fmt::format(
          "a process of job {} ended right after its move; the job has lost a rank: look at its "
          "log, and start it again",
          gang.job);
    case GangState::resumed:
      return fmt::format(
          "the agent of {} does not tell whether rank {} of job {} has done a step there; the "
          "other ranks went on, and wait for it in that step; what was here is kept until then",
          to, gang.leaver, gang.job);
    case GangState::reclaiming:
      return fmt::format(
          "a process of job {} ended before its move was over; all ranks stand still until the "
          "agent of {} has told that nothing of rank {} runs there, and then go on as before",
          gang.job, to, gang.leaver);
    default:
      return fmt::format(
          "the agent of {} does not tell whether it has rank {} of job {}; all ranks stand still; "
          "it goes on by itself when that agent is back",
          to, gang.leaver, gang.job);
  }
}

}  // namespace

AgentEvent alert_of(GangState state, const GangRecord& gang) {
  return {.kind = state == GangState::broken ? "rank_lost" : "in_doubt",
          .text = fmt::format("gang {} is {}: {}", gang.id, to_string(state),
                              what_is_wrong(state, gang)),
          .job = gang.job,
          .migration = gang.id};
}

}  // namespace cardswap::gang
