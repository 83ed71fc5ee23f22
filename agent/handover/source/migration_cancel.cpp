#include "agent/handover/source/migration_cancel.h"

#include <fmt/format.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

std::string what_became_of(const Migration& m) {
  const auto state = m.state();
  if (handover::is_committed(state)) return "the job goes on at " + m.spec().to;
  if (handover::is_captured(state)) return "its snapshot is in the store";
  return "`cardswap status " + m.id() + "` tells how it ended";
}

}  // namespace

void check_cancel(const Migration& m) {
  const auto state = m.state();
  if (handover::may_cancel(state)) return;
  if (handover::is_committed(state) && !handover::is_over(state)) {
    throw Error(
        Code::conflict,
        fmt::format("migration {} is {} and cannot be taken back", m.id(), to_string(state)),
        what_became_of(m));
  }
  throw Error(Code::conflict,
              fmt::format("migration {} is {}: there is nothing to cancel", m.id(),
                          handover::is_over(state) ? "over" : "being given up already"),
              what_became_of(m));
}

}  // namespace cardswap
