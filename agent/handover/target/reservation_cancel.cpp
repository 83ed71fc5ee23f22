#include "agent/handover/target/reservation_cancel.h"

#include <fmt/format.h>

namespace cardswap {

using handover::TargetState;

void check_cancel(const Reservation& r, const std::string& host) {
  const auto& id = r.migration();
  const auto state = r.state();
  const auto refuse = [&](std::string failure, std::string hint) {
    throw Error(Code::conflict, std::move(failure), std::move(hint));
  };
  if (r.is_granted()) {
    refuse(fmt::format("migration {} was granted to {}: job {} is here", id, host, r.record().job),
           "`cardswap stop " + r.record().job + "` ends the job");
  }
  if (state == TargetState::verified) {
    const auto* doubt = r.record().in_doubt ? ", and its agent does not tell" : "";
    refuse(fmt::format("migration {}: the standby of job {} holds the whole state here, and {} may "
                       "have given it the job{}",
                       id, r.record().job, r.record().from, doubt),
           fmt::format("find out where the job steps, then `cardswap resolve {} --force source` or "
                       "`--force target`",
                       id));
  }
  if (!may_cancel(state)) {
    refuse(fmt::format("migration {} is {}: there is nothing to cancel", id, to_string(state)),
           "`cardswap status " + id + "` tells how it ended");
  }
}

}  // namespace cardswap
