#include "runtime/roles/departed_role.h"

#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>

namespace cardswap {

void DepartedRole::depart(const channel::Depart& depart) {
  Digest state_digest;
  {
    const MutexLock lock(context_.mutex);
    state_digest = context_.side().state_digest().value();
  }
  std::optional<Error> why;
  try {
    context_.on_trainer([&] {
      const MemoryDeparture::Custodian custodian{depart.custodian,
                                                 static_cast<pid_t>(depart.custodian_pid)};
      departure_.emplace(context_.relocator(), custodian, state_digest, context_.gate.step());
    });
  } catch (...) {
    why = error_of(std::current_exception()).within("leave this host");
  }
  // The memory was given away and cannot be taken back: the process cannot go on.
  const bool away = why && context_.relocator().is_away();
  {
    const MutexLock lock(context_.mutex);
    (void)context_.on(!why   ? TrainerEvent::memory_given
                      : away ? TrainerEvent::memory_lost
                             : TrainerEvent::memory_kept);
  }
  if (!why) {
    context_.send(channel::Departed{depart.migration, context_.agent.inode(), state_digest});
    return;
  }
  if (away) return report_lost(*why);
  context_.fail(depart.migration, *why);
}

void DepartedRole::report_lost(const Error& why) {
  const MutexLock lock(context_.mutex);
  context_.send(
      channel::Failed{context_.side().migration(), why.code(), why.failure(), why.hint(), true});
}

bool DepartedRole::recall() {
  try {
    context_.on_trainer([&] {
      departure_->recall();
      departure_.reset();
    });
  } catch (...) {
    report_lost(error_of(std::current_exception()).within("take the job's memory back"));
    return false;
  }
  const MutexLock lock(context_.mutex);
  return context_.on(TrainerEvent::memory_recalled) == TrainerAction::end_migration;
}

std::optional<VerifiedState> DepartedRole::arrive(const channel::Arrived& arrived) {
  std::string left_with;
  {
    const MutexLock lock(context_.mutex);
    left_with = context_.side().migration();
  }
  context_.agent.redirect(arrived);
  context_.epoch = arrived.epoch;
  VerifiedState state;
  try {
    if (arrived.migration != left_with) {
      throw Error(Code::bad_request, fmt::format("this process left with migration {}", left_with));
    }
    context_.on_trainer([&] {
      state = departure_->arrive(arrived);
      departure_.reset();
    });
  } catch (...) {
    context_.fail(arrived.migration, error_of(std::current_exception()).within("arrive"));
    return std::nullopt;
  }
  return state;
}

}  // namespace cardswap
