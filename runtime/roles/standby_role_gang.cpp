// A standby that is the newcomer of a gang: its communicators, beside the state that it receives.

#include <exception>

#include "runtime/roles/standby_role.h"

namespace cardswap {

bool StandbyRole::is_newcomer() {
  const MutexLock lock(context_.mutex);
  return !welcome_.gang.gang.empty();
}

void StandbyRole::build_next(const channel::GangPlace& gang, const std::string& migration) {
  try {
    work_.later(
        [this, migration, next = NextRanks{gang.epoch, gang.rendezvous, gang.ranks, gang.moved}](
            Communicators& communicators) {
          try {
            communicators.build(next);
          } catch (...) {
            context_.fail(migration,
                          error_of(std::current_exception()).within("build the next communicator"));
          }
        });
  } catch (...) {
    context_.fail(migration,
                  error_of(std::current_exception()).within("build the next communicator"));
  }
}

/// On the engine's thread, which waits for nothing here: the source still asks it whether it lives.
void StandbyRole::try_next(const std::string& migration, const VerifiedState& state) {
  work_.later([this, migration, state](Communicators& communicators) {
    try {
      if (!is_tried_) context_.on_trainer([&] { communicators.trip(); });
      is_tried_ = true;
    } catch (...) {
      context_.fail(migration,
                    error_of(std::current_exception()).within("try the next communicator"));
      return;
    }
    say_verified(migration, state);
  });
}

}  // namespace cardswap
