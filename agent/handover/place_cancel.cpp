// A place that its own host's operator does not want.

#include <fmt/format.h>

#include "agent/handover/reservations.h"

namespace cardswap {

using handover::TargetEvent;
using handover::TargetState;

void Reservations::check_cancel(const Reservation& r) const {
  const auto& id = r.migration;
  const auto state = r.side.state();
  const auto refuse = [&](std::string failure, std::string hint) {
    throw Error(Code::conflict, std::move(failure), std::move(hint));
  };
  if (r.granted()) {
    refuse(
        fmt::format("migration {} was granted to {}: job {} is here", id, config_.host_name, r.job),
        "`cardswap stop " + r.job + "` ends the job");
  }
  if (state == TargetState::verified) {
    const auto* doubt = r.in_doubt ? ", and its agent does not tell" : "";
    refuse(fmt::format("migration {}: the standby of job {} holds the whole state here, and {} may "
                       "have given it the job{}",
                       id, r.job, r.from, doubt),
           fmt::format("find out where the job steps, then `cardswap resolve {} --force source` or "
                       "`--force target`",
                       id));
  }
  if (state == TargetState::failed || state == TargetState::stopping ||
      state == TargetState::superseded) {
    refuse(fmt::format("migration {} is {}: there is nothing to cancel", id, to_string(state)),
           "`cardswap status " + id + "` tells how it ended");
  }
}

asio::awaitable<void> Reservations::cancel(std::string migration, std::string by) {
  auto& r = at(migration);
  const auto pin = r.in_use;
  check_cancel(r);
  // No grant can have been given: the source's agent waits for the word that it is verified.
  fail(r, TargetEvent::drop,
       Error(Code::cancelled,
             fmt::format("{} cancelled migration {} on {}", by, migration, config_.host_name)));
  co_await arrival_ended(migration);
  co_await jobs_.stop(r.instance, std::chrono::milliseconds(0));
}

}  // namespace cardswap
