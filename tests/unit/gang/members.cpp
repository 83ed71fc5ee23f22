#include <algorithm>

#include "agent/handover/protocol/driver.h"
#include "tests/unit/gang/acting.h"

namespace cardswap::gang::model {
namespace {

using handover::Message;
using handover::TargetEvent;
using handover::TargetSide;
using handover::TargetState;
using By = Step::By;
using Way = Letter::Way;

void spoil(const Options& options, GangEffects& effects) {
  if (options.spoil_gang) options.spoil_gang(effects);
}
void spoil(const Options& options, RankEffects& effects) {
  if (options.spoil_rank) options.spoil_rank(effects);
}
void spoil(const Options&, handover::Effects&) {}

/// Feeds one event to a side, whose effects are done as agents do them: wholly, cut off by a crash
/// after each act, and with a journal that refuses.
template <class Agent>
void feed(const World& from, const Options& options, Nexts& found, std::size_t rank,
          const Step& step, auto event) {
  using Side = typename Agent::Side;
  const auto before = Agent::side(from, options, rank);
  auto next = before;
  auto effects = event(next);
  const bool is_event =
      step.by == By::gang_event || step.by == By::rank_event || step.by == By::newcomer_event;
  if (is_event && effects.empty() && next.durable() == before.durable()) return;
  spoil(options, effects);
  const auto drive_it = [&](World& world, bool disk_is_full, const std::function<void()>& act) {
    Side driven = before;
    const auto refused = handover::drive(
        driven, next, effects,
        [&](bool) -> std::optional<Error> {
          if (disk_is_full) return Error(Code::io, "full");
          act();
          Agent::journal(world, next, rank);
          return std::nullopt;
        },
        [&](const auto& effect) { Agent::execute(world, options, effect, next, rank, act); });
    if (!refused) Agent::remember(world, driven, rank);
  };
  World to = from;
  std::uint8_t done = 0;
  drive_it(to, false, [&] {
    if (done++ == 0 || from.faults == 0) return;
    World crashed = to;
    --crashed.faults;
    Agent::crash(crashed, rank);
    Step cut = step;
    cut.cut = byte(done - 1);
    cut.fault = true;
    found(crashed, cut);
  });
  // Whatever came of it, a message is delivered and an agent is up.
  found(to, step);
  const bool journals =
      !effects.empty() &&
      effects.begin()->type == std::decay_t<decltype(*effects.begin())>::Type::journal;
  if (from.faults == 0 || !journals || step.by == By::deliver_twice) return;
  World full = from;
  --full.faults;
  drive_it(full, true, [] {});
  Step refused = step;
  refused.cut = Step::kDiskFull;
  refused.fault = true;
  found(full, refused);
}

class Agents {
 public:
  Agents(const World& world, const Options& options, Nexts& found)
      : w_(world), options_(options), found_(found) {}

  void deliveries() {
    for (std::size_t i = 0; i < kInFlight; ++i) {
      const auto letter = w_.net[i];
      if (letter.way == 0) continue;
      World arrived = w_;
      arrived.net[i] = {};
      std::sort(arrived.net.begin(), arrived.net.end());
      deliver(arrived, letter, {By::deliver, 0, letter.rank, letter, 0, false});
      if (w_.faults == 0) continue;
      World again = w_;
      --again.faults;
      deliver(again, letter, {By::deliver_twice, 0, letter.rank, letter, 0, true});
      World lost = arrived;
      --lost.faults;
      found_(lost, {By::lose, 0, letter.rank, letter, 0, true});
    }
  }

  void conductor() {
    if (w_.conductor.up == 0) {
      World up = w_;
      up.conductor.up = 1;
      feed<GangAgent>(up, options_, found_, 0, {By::gang_recovers, 0, 0, {}, 0, false},
                      [](GangSide& side) { return side.after_restart(); });
      return;
    }
    on(w_, GangEvent::started);
    if (!options_.patient) {
      on(w_, GangEvent::failed);
      on(w_, GangEvent::newcomer_silent);
    }
    for (std::uint32_t rank = 0; rank < ranks_of(w_); ++rank) {
      feed<GangAgent>(w_, options_, found_, 0, {By::gang_ticks, 0, byte(rank), {}, 0, false},
                      [&](const GangSide& side) { return side.tick(rank); });
      if (rank < w_.stay) continue;
      feed<GangAgent>(w_, options_, found_, 0,
                      {By::gang_ticks_newcomer, 0, byte(rank), {}, 0, false},
                      [&](const GangSide& side) { return side.tick_newcomer(rank); });
    }
    if (options_.operator_acts) force();
    if (w_.faults == 0) return;
    World crashed = w_;
    --crashed.faults;
    GangAgent::crash(crashed, 0);
    found_(crashed, {By::gang_crashes, 0, 0, {}, 0, true});
  }

  void rank(std::size_t rank) {
    const auto& r = w_.ranks[rank];
    if (r.up == 0) {
      World up = w_;
      up.ranks[rank].up = 1;
      feed<RankAgent>(up, options_, found_, rank, {By::rank_recovers, 0, byte(rank), {}, 0, false},
                      [](RankSide& side) { return side.after_restart(); });
      return;
    }
    const auto state = static_cast<RankState>(r.state);
    if (state == RankState::ready || is_silent()) {
      on(w_, rank, RankEvent::conductor_silent);
    } else if (w_.patience != 0) {
      on(impatient(), rank, RankEvent::conductor_silent);
    }
    const bool may_fail = state == RankState::building || state == RankState::frozen;
    if (w_.patience != 0 && may_fail) on(impatient(), rank, RankEvent::failed);
    if (life(r.life) == Life::dead) on(w_, rank, RankEvent::process_ended);
    if (life(r.life) == Life::alive) words(rank, state);
    if (w_.faults == 0) return;
    World crashed = w_;
    --crashed.faults;
    RankAgent::crash(crashed, rank);
    found_(crashed, {By::rank_crashes, 0, byte(rank), {}, 0, true});
  }

  void newcomer(std::size_t rank) {
    const auto& n = newcomer_of(w_, rank);
    if (n.up == 0) {
      World up = w_;
      newcomer_of(up, rank).up = 1;
      feed<NewcomerAgent>(up, options_, found_, rank,
                          {By::newcomer_recovers, 0, byte(rank), {}, 0, false},
                          [](TargetSide& side) { return side.after_restart(); });
      if (w_.faults == 0) return;
      --up.faults;
      NewcomerAgent::remember(up, TargetSide({}), rank);
      NewcomerAgent::journal(up, TargetSide({}), rank);
      up.journal_lost = 1;
      found_(up, {By::newcomer_recovers_without_journal, 0, byte(rank), {}, 0, true});
      return;
    }
    const auto state = static_cast<TargetState>(n.state);
    if (state == TargetState::verified || is_silent()) {
      on(w_, rank, TargetEvent::source_silent);
    } else if (w_.patience != 0) {
      on(impatient(), rank, TargetEvent::source_silent);
    }
    if (life(n.life) == Life::dead) on(w_, rank, TargetEvent::standby_ended);
    if (life(n.life) == Life::alive) {
      if (n.attached == 0 && n.killed == 0) {
        World attached = w_;
        newcomer_of(attached, rank).attached = 1;
        found_(attached, {By::newcomer_attached, 0, byte(rank), {}, 0, false});
      } else if (n.attached != 0) {
        reports(rank, state);
      }
    }
    if (w_.faults == 0) return;
    World crashed = w_;
    --crashed.faults;
    NewcomerAgent::crash(crashed, rank);
    found_(crashed, {By::newcomer_crashes, 0, byte(rank), {}, 0, true});
  }

 private:
  void deliver(const World& to, const Letter& letter, const Step& step) {
    const std::size_t rank = letter.rank;
    switch (static_cast<Way>(letter.way)) {
      case Way::none: break;
      case Way::to_rank:
        if (w_.ranks[rank].up == 0) break;
        feed<RankAgent>(to, options_, found_, rank, step,
                        [&](RankSide& side) { return side.on(order_of(letter)); });
        break;
      case Way::from_rank:
        if (w_.conductor.up == 0) break;
        feed<GangAgent>(to, options_, found_, 0, step, [&](GangSide& side) {
          return letter.asks != 0 ? answer_to(side, letter.rank)
                                  : side.on(letter.rank, status_of(letter));
        });
        break;
      case Way::to_newcomer:
        if (newcomer_of(w_, rank).up == 0) break;
        feed<NewcomerAgent>(to, options_, found_, rank, step,
                            [&](TargetSide& side) { return side.on(message_of(letter)); });
        break;
      case Way::from_newcomer:
        if (w_.conductor.up == 0) break;
        feed<GangAgent>(to, options_, found_, 0, step,
                        [&](GangSide& side) { return side.on(letter.rank, message_of(letter)); });
        break;
    }
  }

  void on(const World& from, GangEvent event) {
    feed<GangAgent>(from, options_, found_, 0, {By::gang_event, byte(event), 0, {}, 0, false},
                    [&](GangSide& side) { return side.on(event); });
  }
  void on(const World& from, std::size_t rank, RankEvent event, std::uint8_t step = 0) {
    feed<RankAgent>(from, options_, found_, rank,
                    {By::rank_event, byte(event), byte(rank), {}, 0, false},
                    [&](RankSide& side) { return side.on(event, step); });
  }
  void on(const World& from, std::size_t rank, TargetEvent event) {
    feed<NewcomerAgent>(from, options_, found_, rank,
                        {By::newcomer_event, byte(event), byte(rank), {}, 0, false},
                        [&](TargetSide& side) { return side.on(event); });
  }

  /// Whether the conductor says nothing more to those that have no promise and no grant.
  [[nodiscard]] bool is_silent() const {
    const auto state = static_cast<GangState>(w_.conductor.state);
    return w_.conductor.up == 0 || is_given_up(state) || is_over(state);
  }
  [[nodiscard]] World impatient() const {
    World w = w_;
    --w.patience;
    return w;
  }

  /// An operator's decision fits what runs, or it is a fault.
  void force() {
    const auto state = static_cast<GangState>(w_.conductor.state);
    if (!is_committed(state) && state != GangState::reclaiming) return;
    bool stopped = true;
    bool has_job = true;
    for (std::size_t j = 0; j < w_.leave; ++j) {
      const auto& n = w_.newcomers[j];
      stopped = stopped && !lives(n.life);
      has_job = has_job && is_free(n);
    }
    World forced = w_;
    forced.forced = 1;
    if (has_job || state == GangState::broken) on(forced, GangEvent::forced_to_target);
    if (!stopped) {
      if (w_.faults == 0) return;
      --forced.faults;
      forced.blind = 1;
    }
    on(forced, GangEvent::forced_to_source);
  }

  /// What a trainer reports to its agent, once that can use it.
  void words(std::size_t rank, RankState state) {
    const auto& r = w_.ranks[rank];
    if (r.attached == 0) {
      World attached = w_;
      attached.ranks[rank].attached = 1;
      feed<RankAgent>(attached, options_, found_, rank,
                      {By::rank_attached, 0, byte(rank), {}, 0, false},
                      [](const RankSide& side) { return side.attached(); });
      return;
    }
    if ((r.asked & kBuild) != 0 && state == RankState::building && may_build(rank)) {
      World built = w_;
      built.ranks[rank].asked = byte(r.asked & ~kBuild);
      if (rank < w_.stay) {
        built.ranks[rank].has_next = 1;
        tell_trainer(built, options_, rank, StayingEvent::next_built);
      }
      feed<RankAgent>(built, options_, found_, rank,
                      {By::rank_event, byte(RankEvent::prepared), byte(rank), {}, 0, false},
                      [&](RankSide& side) { return side.on(RankEvent::prepared, earliest(r)); });
    }
    if ((r.asked & kPassed) != 0) {
      World passed = w_;
      passed.ranks[rank].asked = byte(r.asked & ~kPassed);
      feed<RankAgent>(passed, options_, found_, rank,
                      {By::rank_event, byte(RankEvent::gate_passed), byte(rank), {}, 0, false},
                      [&](RankSide& side) { return side.on(RankEvent::gate_passed, earliest(r)); });
    }
    const auto set = byte(r.gate - 1);
    const bool told = is_armed(state) && r.step == set;
    if (r.gate != 0 && (state == RankState::built || is_armed(state)) && !told) {
      on(w_, rank, RankEvent::gate_set, set);
    }
    if (is_parked(r) && (state == RankState::armed || state == RankState::bound)) {
      on(seen_by(rank, StayingEvent::reached), rank, RankEvent::reached, set);
    }
    if (state == RankState::frozen && (r.asked & kCheck) != 0) checked(rank);
    if (state == RankState::switched && r.next != 0 && r.done > r.step) {
      on(seen_by(rank, StayingEvent::stepped), rank, RankEvent::stepped);
    }
  }
  /// The world whose trainer has seen `event`, which it reports until its agent has heard it.
  [[nodiscard]] World seen_by(std::size_t rank, StayingEvent event) const {
    World w = w_;
    if (rank < w.stay) tell_trainer(w, options_, rank, event);
    return w;
  }

  /// Whether the next communicator can be built of all that stay and arrive, or a transfer can
  /// begin.
  [[nodiscard]] bool may_build(std::size_t rank) const {
    for (std::size_t j = 0; j < w_.leave; ++j) {
      const bool own = rank == w_.stay + j;
      if ((rank < w_.stay || own) && life(w_.newcomers[j].life) != Life::alive) return false;
    }
    return true;
  }
  void checked(std::size_t rank) {
    const auto& r = w_.ranks[rank];
    Content content;
    if (rank < w_.stay) {
      for (std::size_t other = 0; other < w_.stay; ++other) {
        if ((w_.ranks[other].asked & kCheck) == 0) return;
      }
      for (std::size_t j = 0; j < w_.leave; ++j) {
        if (life(w_.newcomers[j].life) != Life::alive) return;
      }
    } else {
      if (newcomer_of(w_, rank).held == 0) return;
      content = content_of(byte(r.done + 1));
    }
    feed<RankAgent>(seen_by(rank, StayingEvent::check_passed), options_, found_, rank,
                    {By::rank_checked, 0, byte(rank), {}, 0, false},
                    [&](RankSide& side) { return side.checked(content); });
  }

  void reports(std::size_t rank, TargetState state) {
    const auto& n = newcomer_of(w_, rank);
    if (state == TargetState::reserved || state == TargetState::starting) {
      feed<NewcomerAgent>(w_, options_, found_, rank,
                          {By::newcomer_parks, 0, byte(rank), {}, 0, false}, [](TargetSide& side) {
                            auto effects = side.on(TargetEvent::standby_started);
                            effects.append(side.on(TargetEvent::standby_parked));
                            return effects;
                          });
    }
    if (n.held != 0 && state == TargetState::parked) {
      feed<NewcomerAgent>(w_, options_, found_, rank,
                          {By::newcomer_verified, 0, byte(rank), {}, 0, false},
                          [&](TargetSide& side) { return side.verified(content_of(n.held)); });
    }
    if (n.granted != 0 && state == TargetState::granted) {
      on(w_, rank, TargetEvent::standby_resumed);
    }
    if (n.waits != 0) on(w_, rank, TargetEvent::standby_stepped);
  }

  const World& w_;
  const Options& options_;
  Nexts& found_;
};

}  // namespace

void agents_next(const World& world, const Options& options, Nexts& found) {
  const auto before = static_cast<std::ptrdiff_t>(found.all.size());
  Agents agents(world, options, found);
  agents.deliveries();
  agents.conductor();
  for (std::size_t rank = 0; rank < ranks_of(world); ++rank) agents.rank(rank);
  for (std::size_t rank = world.stay; rank < ranks_of(world); ++rank) agents.newcomer(rank);
  // What changes nothing is no step.
  const auto same = [&](const auto& next) { return next.world == world; };
  found.all.erase(std::remove_if(found.all.begin() + before, found.all.end(), same),
                  found.all.end());
}

}  // namespace cardswap::gang::model
