// A migration whose process goes itself: what differs from one to a standby.

#include <fmt/format.h>

#include <utility>

#include "runtime/trainer_role.h"

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kCopyAtABoundary{20};

}  // namespace

/// With `mutex_` held, at a boundary. True when `latest_` is what the engine may send.
bool TrainerRole::pass_homing() {
  try {
    if (begin_ && begin_->spec.strategy == Strategy::replay) {
      throw Error(Code::bad_request, "a process that moves itself cannot replay updates",
                  "use --strategy rounds or stop-copy with --arrive criu");
    }
    // Once: re-homing a large state takes many boundaries, and looking saves every value twice.
    const bool begins = begin_ && boundaries_seen_++ == 0;
    if (const auto obstacle = begins ? line_.obstacle(channel::Arrival::criu) : std::nullopt) {
      throw Error(*obstacle);
    }
    if (begin_ && relocator_.relocatable_bytes() == 0) {
      throw Error(Code::refused, "nothing that this job tracks can be sent ahead of its process",
                  "track tensors or Session::allocate's memory, or use --arrive standby");
    }
    const bool all = relocator_.relocate_some(kCopyAtABoundary);
    if (!all && !source_) return false;  // the engine begins with what is at home by then
    latest_ = relocator_.state_view(false);
    if (begin_ && begin_->spec.strategy == Strategy::automatic)
      begin_->spec.strategy = Strategy::rounds;
    return true;
  } catch (...) {
    begin_.reset();
    fail(migration_, error_of(std::current_exception()));
  }
  return false;
}

void TrainerRole::depart(const channel::Depart& depart) {
  std::unique_ptr<Source> source;
  std::optional<Digest> root;
  {
    const std::lock_guard lock(mutex_);
    if (depart.migration != migration_ || standby_ || departed_) return;
    if (!by_criu_ || !root_ || !source_ || !gate_.is_parked()) {
      fail(migration_, Error(Code::bad_request, "a job may depart when its digests are equal",
                             "the agents are of another Cardswap release"));
      return;
    }
    source = std::move(source_);
    root = root_;
    latest_.reset();
  }
  source.reset();  // its links, descriptors and threads
  try {
    on_trainer([&] {
      const Departure::Keeper keeper{depart.keeper, static_cast<pid_t>(depart.keeper_pid)};
      departure_.emplace(relocator_, keeper, *root, gate_.step());
    });
  } catch (...) {
    const auto why = error_of(std::current_exception()).within("leave this host");
    // Given away, and not to be had again: there is nothing left to go on with.
    departed_ = relocator_.is_away();
    if (departed_) return lose(why);
    fail(depart.migration, why);
    return;
  }
  departed_ = true;
  send_(channel::Departed{depart.migration, line_.inode(), *root});
}

/// This process takes no further step, and says so whenever it is told to go on.
void TrainerRole::lose(const Error& why) {
  send_(channel::Failed{migration_, why.code(), why.failure(), why.hint(), true});
}

/// False, and the trainer stands on, when its memory is not to be had.
bool TrainerRole::recall() {
  try {
    on_trainer([&] {
      if (!departure_) throw Error(Code::source_lost, "the job's memory was not taken back");
      departure_->recall();
      departure_.reset();
    });
  } catch (...) {
    lose(error_of(std::current_exception()).within("take the job's memory back"));
    return false;
  }
  departed_ = false;
  return true;
}

void TrainerRole::arrive(const channel::Arrived& arrived) {
  if (!departed_) return;
  line_.redirected(arrived);
  epoch_ = arrived.epoch;
  VerifiedState state;
  try {
    if (arrived.migration != migration_) {
      throw Error(Code::bad_request,
                  fmt::format("this process left with migration {}", migration_));
    }
    on_trainer([&] {
      state = departure_->arrive(arrived);
      departure_.reset();
    });
  } catch (...) {
    fail(arrived.migration, error_of(std::current_exception()).within("arrive"));
    return;
  }
  const std::lock_guard lock(mutex_);
  departed_ = false;
  standby_ = true;  // the same from here on: it stands with a verified state and waits
  by_criu_ = false;
  freeze_asked_ = false;
  root_.reset();
  verified_ = state;
  send_(channel::Verified{migration_, state.step, state.root, {}});
}

}  // namespace cardswap
