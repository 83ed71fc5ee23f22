#include "tests/unit/gang/world.h"

#include <algorithm>

#include "tests/unit/gang/acting.h"

namespace cardswap::gang::model {
namespace {

using handover::TargetState;
using By = Step::By;

/// Steps that a trainer takes until it is armed, and under an epoch that follows.
constexpr std::uint8_t kStepsBefore = 1;
constexpr std::uint8_t kStepsAfter = 2;

/// A rank completes a collective when each rank of its communicator has begun it: what a process
/// has sent stays sent when it dies.
bool has_begun(std::uint8_t done, std::uint8_t in_step, std::uint8_t step) {
  return done >= step || (done + 1 == step && in_step != 0);
}
bool all_have_begun(const World& w, bool next, std::uint8_t step) {
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    if (next && rank >= w.stay) {
      const auto& n = newcomer_of(w, rank);
      if (n.granted == 0 || !has_begun(n.done, n.in_step, step)) return false;
      continue;
    }
    const auto& r = w.ranks[rank];
    if ((r.next != 0) != next || !has_begun(r.done, r.in_step, step)) return false;
  }
  return true;
}
/// After an operator's wrong decision steps are not counted.
void complete(World& w, std::size_t rank, std::uint8_t step, std::uint8_t epoch) {
  if (w.done[rank] + 1 != step && w.blind == 0) w.miscounted = 1;
  w.done[rank] = std::max(w.done[rank], step);
  auto& under = w.step_epoch[step];
  if (under != 0 && under != epoch) w.mixed = 1;
  under = epoch;
}

/// Steps that trainers and the network take by themselves.
class Surroundings {
 public:
  Surroundings(const World& world, const Options&, Nexts& found) : w_(world), found_(found) {}

  void trainer(std::size_t rank) {
    const auto& r = w_.ranks[rank];
    if (life(r.life) != Life::alive) return;
    const auto of = byte(rank);
    fault({By::trainer_dies, 0, of, {}, 0, true}, [&](World& w) {
      w.ranks[rank].life = byte(Life::dead);
      w.died = 1;
    });
    if (r.in_step != 0) {
      const auto step = byte(r.done + 1);
      if (!all_have_begun(w_, r.next != 0, step)) return;
      next({By::trainer_completes, 0, of, {}, 0, false}, [&](World& w) {
        w.ranks[rank].in_step = 0;
        w.ranks[rank].done = step;
        complete(w, rank, step, r.epoch);
      });
      return;
    }
    const auto steps_max = r.gate != 0              ? r.gate - 1
                           : r.epoch == byte(kBase) ? kStepsBefore
                                                    : kStepsAfter;
    if (r.done >= steps_max) return;
    next({By::trainer_begins, 0, of, {}, 0, false}, [&](World& w) {
      w.ranks[rank].in_step = 1;
      if (r.next != 0 && !all_hold_next(w) && w.blind == 0) w.early = 1;
    });
  }

  void newcomer(std::size_t rank) {
    const auto& n = newcomer_of(w_, rank);
    if (!lives(n.life)) return;
    const auto of = byte(rank);
    const auto die = [&](World& w) {
      newcomer_of(w, rank).life = byte(Life::dead);
      newcomer_of(w, rank).killed = 0;
    };
    if (n.killed != 0) {
      next({By::newcomer_dies, 1, of, {}, 0, false}, die);
    } else {
      fault({By::newcomer_dies, 0, of, {}, 0, true}, [&](World& w) {
        die(w);
        w.newcomer_died = 1;
      });
    }
    if (life(n.life) != Life::alive) return;
    arrival(rank);
    if (n.granted == 0 || n.waits != 0) return;
    if (n.in_step == 0) {
      if (n.done >= kStepsAfter) return;
      next({By::newcomer_begins, 0, of, {}, 0, false}, [&](World& w) {
        newcomer_of(w, rank).in_step = 1;
        if (!all_hold_next(w) && w.blind == 0) w.early = 1;
      });
      return;
    }
    const auto step = byte(n.done + 1);
    if (!all_have_begun(w_, true, step)) return;
    next({By::newcomer_completes, 0, of, {}, 0, false}, [&](World& w) {
      auto& to = newcomer_of(w, rank);
      const bool first = content_of(to.held).step == to.done;
      to.in_step = 0;
      to.done = step;
      if (first) to.waits = 1;
      complete(w, rank, step, byte(kGranted));
    });
  }

 private:
  [[nodiscard]] static bool all_hold_next(const World& w) {
    for (std::size_t rank = 0; rank < w.stay; ++rank) {
      const auto& r = w.ranks[rank];
      if (life(r.life) == Life::alive && r.has_next == 0) return false;
    }
    return true;
  }
  /// A standby that waits receives all that its leaver holds at the agreed step.
  void arrival(std::size_t rank) {
    const auto& r = w_.ranks[rank];
    const auto& n = newcomer_of(w_, rank);
    if (life(r.life) != Life::alive || (r.asked & kCheck) == 0 || n.held != 0 || n.second != 0) {
      return;
    }
    const auto arrive = [&](World& w, bool right) {
      newcomer_of(w, rank).held = byte(r.done + 1 + (right ? 0 : 4));
    };
    next({By::state_arrives, 0, byte(rank), {}, 0, false}, [&](World& w) { arrive(w, true); });
    fault({By::state_arrives_wrong, 0, byte(rank), {}, 0, true},
          [&](World& w) { arrive(w, false); });
  }

  void next(const Step& step, auto change) {
    World to = w_;
    change(to);
    found_(to, step);
  }
  void fault(const Step& step, auto change) {
    if (w_.faults == 0) return;
    World to = w_;
    --to.faults;
    change(to);
    found_(to, step);
  }

  const World& w_;
  Nexts& found_;
};

}  // namespace

Content content_of(Held held) {
  Content content;
  if (held == 0) return content;
  content.state_digest.bytes[0] = held <= 4 ? 1 : 2;
  content.step = (held - 1U) % 4;
  return content;
}

Held held_of(const Content& content) {
  if (content.state_digest.bytes[0] == 0) return 0;
  return byte(content.step + 1 + (content.state_digest.bytes[0] == 2 ? 4 : 0));
}

std::uint8_t byte_of(Epoch epoch) { return epoch == kTaken ? kTakenByte : byte(epoch); }
Epoch epoch_of(std::uint8_t byte) { return byte == kTakenByte ? kTaken : byte; }

namespace {

void begin_later(World& w, bool ready) {
  const std::uint8_t step = ready ? 0 : 1;
  auto& c = w.conductor;
  c.state = c.disk_state = byte(GangState::freezing);
  c.step = c.disk_step = step;
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    auto& r = w.ranks[rank];
    r.state = r.disk_state = byte(ready ? RankState::ready : RankState::armed);
    r.step = r.disk_step = step;
    r.gate = byte(step + 1);
    r.has_next = rank < w.stay ? 1 : 0;
    if (rank < w.stay) r.trainer = byte(ready ? StayingState::checked : StayingState::armed);
    r.asked = ready ? kCheck : 0;
    if (ready && rank >= w.stay) r.held = r.disk_held = byte(step + 1);
    c.ranks[rank] = {byte(RankState::armed), step, 0, 0};
  }
  for (std::size_t j = 0; j < w.leave; ++j) {
    auto& n = w.newcomers[j];
    n.state = n.disk_state = byte(ready ? TargetState::verified : TargetState::parked);
    n.epoch = n.disk_epoch = byte(kGranted);
    n.life = byte(Life::alive);
    if (ready) n.held = n.content = n.disk_content = byte(step + 1);
    c.newcomers[j] = {byte(TargetState::parked), 0, 0, 0};
  }
}

}  // namespace

World first_world(const Options& options) {
  World w{};
  w.stay = byte(options.stay);
  w.leave = byte(options.leave);
  w.conductor.own = w.conductor.disk_own = byte(kBase);
  w.conductor.up = 1;
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    auto& r = w.ranks[rank];
    r.own = r.disk_own = r.epoch = byte(kBase);
    r.up = r.attached = 1;
    r.life = byte(Life::alive);
  }
  for (std::size_t j = 0; j < w.leave; ++j) w.newcomers[j].up = w.newcomers[j].attached = 1;
  w.faults = byte(options.faults);
  const bool ready = options.stretch == Stretch::from_ready;
  if (ready || options.stretch == Stretch::from_frozen) begin_later(w, ready);
  w.until_frozen = options.stretch == Stretch::until_frozen ? 1 : 0;
  w.patient = options.patient ? 1 : 0;
  w.patience = byte(options.patient ? 0 : options.impatience);
  return w;
}

void for_each_next(const World& world, const Options& options, Nexts& found) {
  const bool is_freezing = world.conductor.state == byte(GangState::freezing);
  if (world.until_frozen != 0 && world.conductor.up != 0 && is_freezing) return;
  Surroundings around(world, options, found);
  for (std::size_t rank = 0; rank < ranks_of(world); ++rank) around.trainer(rank);
  for (std::size_t rank = world.stay; rank < ranks_of(world); ++rank) around.newcomer(rank);
  agents_next(world, options, found);
}

namespace {

struct Free {
  bool any = false;
  std::uint8_t epoch = 0;
  bool mixed = false;
  void add(std::uint8_t under) {
    mixed = mixed || (any && epoch != under);
    any = true;
    epoch = under;
  }
};

const char* broken_ownership(const World& w) {
  if (w.blind != 0) return nullptr;
  Free all;
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    const bool old = is_free(w.ranks[rank]);
    if (old) all.add(w.ranks[rank].epoch);
    if (rank < w.stay || !is_free(newcomer_of(w, rank))) continue;
    if (old) return "1: two copies of a rank may step";
    all.add(byte(kGranted));
  }
  return all.mixed ? "7: ranks may step under two epochs" : nullptr;
}

const char* broken_decision(const World& w) {
  const auto disk = static_cast<GangState>(w.conductor.disk_state);
  const bool decided =
      is_committed(disk) || disk == GangState::reclaiming || w.conductor.disk_own > kGranted;
  for (std::size_t j = 0; j < w.leave; ++j) {
    const auto& n = w.newcomers[j];
    if (n.granted != 0 && !decided) return "4: a newcomer was granted what is not on disk";
    if (is_committed(disk) && n.held > 4 && n.second == 0) return "5: other bytes were committed";
  }
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    const auto& r = w.ranks[rank];
    if (r.next != 0 && !has_gone(disk)) return "4: a rank goes on by what is not on disk";
    if (r.next != 0 && !has_switched(static_cast<RankState>(r.disk_state)) &&
        static_cast<RankState>(r.disk_state) != RankState::ended) {
      return "4: a rank goes on, and its agent has not recorded that";
    }
  }
  // From the commit to the go, or until all are released, all ranks are parked at one step.
  const bool is_frozen =
      disk == GangState::committed || disk == GangState::in_doubt || disk == GangState::reclaiming;
  if (!is_frozen) return nullptr;
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    const auto& r = w.ranks[rank];
    if (life(r.life) != Life::alive) continue;
    if (!is_parked(r) || r.done != w.conductor.disk_step)
      return "7: the ranks are not parked at one step";
  }
  return nullptr;
}

const char* broken_retention(const World& w) {
  if (w.forced != 0) return nullptr;
  bool stepped = true;
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    stepped = stepped && w.done[rank] > w.conductor.disk_step;
  }
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    const auto& r = w.ranks[rank];
    if (stepped) continue;
    if (r.lacks_old != 0) return "7: an old communicator is gone before the first step";
    if (life(r.life) == Life::left) return "6: a rank's process was let go before the first step";
  }
  return nullptr;
}

/// What the table of a rank that stays says of its trainer is what the process does.
const char* broken_trainer(const World& w) {
  for (std::size_t rank = 0; rank < w.stay; ++rank) {
    const auto& r = w.ranks[rank];
    if (life(r.life) != Life::alive) continue;
    const auto state = static_cast<StayingState>(r.trainer);
    if (has_switched(state) != (r.next != 0)) return "7: a trainer does not use what it says";
    if (has_next(state) && r.has_next == 0) return "7: a trainer says that it has what it lacks";
    if (is_parked(state) && !is_parked(r)) return "7: a trainer says that it is parked, and steps";
  }
  return nullptr;
}

bool is_back(const World& w, const World::Rank& r) {
  if (r.up == 0 || !is_clear(static_cast<RankState>(r.state))) return false;
  if (life(r.life) == Life::dead) return true;
  return life(r.life) == Life::alive && r.attached != 0 && r.gate == 0 && r.next == 0 &&
         r.has_next == 0 && r.epoch == w.conductor.own && r.trainer == byte(StayingState::training);
}

bool has_moved(const World& w) {
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    const auto& r = w.ranks[rank];
    if (r.up == 0) return false;
    if (life(r.life) == Life::dead || life(r.life) == Life::left) continue;
    if (rank >= w.stay || r.next == 0 || r.lacks_old == 0) return false;
  }
  for (std::size_t j = 0; j < w.leave; ++j) {
    const auto& n = w.newcomers[j];
    // An agent that has lost its journal lets nothing go on; an operator does.
    const bool is_stuck = life(n.life) == Life::alive && n.waits != 0 && w.journal_lost == 0;
    if (n.up == 0 || is_stuck) return false;
  }
  return true;
}

bool has_lost_a_process(const World& w) { return w.died != 0 || w.newcomer_died != 0; }

bool has_gone_back(const World& w) {
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    if (!is_back(w, w.ranks[rank])) return false;
  }
  bool all_known = true;
  for (std::size_t j = 0; j < w.leave; ++j) {
    const auto& n = w.newcomers[j];
    const bool known = static_cast<TargetState>(n.state) != TargetState::nothing;
    if (n.up == 0 || (lives(n.life) && known)) return false;
    all_known = all_known && known;
  }
  // The conductor tells its newcomers until each confirms that no process steps there.
  return w.conductor.open == 0 || !all_known;
}

}  // namespace

const char* broken_invariant(const World& w) {
  if (w.mixed != 0) return "7: a step was taken under two epochs";
  if (w.miscounted != 0) return "2: a step was lost or doubled";
  if (w.early != 0) return "7: a step began before all held the next communicator";
  if (const char* broken = broken_ownership(w)) return broken;
  if (const char* broken = broken_decision(w)) return broken;
  if (const char* broken = broken_retention(w)) return broken;
  return broken_trainer(w);
}

bool is_settled(const World& w) {
  if (w.conductor.up == 0) return false;
  switch (static_cast<GangState>(w.conductor.state)) {
    case GangState::freezing: return w.until_frozen != 0;
    // Of a job that an operator gave to the newcomers a process may be lost before the first step.
    case GangState::completed: return has_moved(w) || (w.forced != 0 && has_lost_a_process(w));
    case GangState::aborted: return w.patient == 0 && has_gone_back(w);
    // An operator was told: a process of the job was lost.
    case GangState::broken: return has_lost_a_process(w) || w.forced != 0;
    // A newcomer's agent that has lost its journal proves nothing.
    case GangState::in_doubt:
    case GangState::reclaiming: return w.journal_lost != 0;
    default: return false;
  }
}

}  // namespace cardswap::gang::model
