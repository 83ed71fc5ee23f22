#include "agent/gang/gang_alert.h"

#include <fmt/format.h>

namespace cardswap::gang {
namespace {

/// Of one rank, or of each of several: their agents, and what is not told of them.
struct Leavers {
  std::string do_not_tell;  ///< who does not
  std::string have_told;    ///< who has to
  std::string rank;         ///< of which rank it is not told
  std::string ranks;        ///< all of them
};

Leavers leavers_of(const GangRecord& gang) {
  const auto& to = gang.spec.to;
  if (gang.moves.size() == 1) {
    const auto rank = fmt::format("rank {}", gang.moves.front().rank);
    return {fmt::format("the agent of {} does not tell", to),
            fmt::format("the agent of {} has told", to),
            fmt::format("{} of job {}", rank, gang.job), rank};
  }
  std::string ranks;
  for (const auto& move : gang.moves) {
    ranks += fmt::format("{}{}", ranks.empty() ? "ranks " : ", ", move.rank);
  }
  return {fmt::format("not every agent of {} tells", to),
          fmt::format("the agents of {} have told", to),
          fmt::format("its rank of those that move of job {} ({})", gang.job, ranks), ranks};
}

std::string what_is_wrong(GangState state, const GangRecord& gang) {
  const auto who = leavers_of(gang);
  switch (state) {
    case GangState::broken:
      return fmt::format(
          "a process of job {} ended right after its move; the job has lost a rank: look at its "
          "log, and start it again",
          gang.job);
    case GangState::resumed:
      return fmt::format(
          "{} whether {} has done a step there; the other ranks went on, and wait for it in that "
          "step; what was here is kept until then",
          who.do_not_tell, who.rank);
    case GangState::reclaiming:
      return fmt::format(
          "a process of job {} ended before its move was over; all ranks stand still until {} that "
          "nothing of {} runs there, and then go on as before",
          gang.job, who.have_told, who.ranks);
    default:
      return fmt::format(
          "{} whether it has {}; all ranks stand still; it goes on by itself when that agent is "
          "back",
          who.do_not_tell, who.rank);
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
