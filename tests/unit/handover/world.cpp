#include "tests/unit/handover/world.h"

#include <algorithm>

#include "tests/unit/handover/acting.h"
#include "tests/unit/handover/agents.h"

namespace cardswap::handover::model {
namespace {

using By = Step::By;

const std::string kMigration = "m";
constexpr std::uint8_t kSourceStepsBefore = 1;
constexpr std::uint8_t kSourceStepsMax = 2;
constexpr std::uint8_t kTargetStepsMax = 2;

constexpr std::uint8_t kMiscounted = 100;
/// An operator who forces an end answers for the steps; nobody else may lose or repeat one.
void lose_count(World& w) {
  if (w.forced == 0) w.done = kMiscounted;
}

/// Steps that a trainer or the network takes by itself.
class Surroundings {
 public:
  Surroundings(const World& world, const Options& options, Nexts& found)
      : from_(world), options_(options), found_(found) {}

  void source_trainer() {
    const auto& s = from_.source;
    if (life(s.life) != Life::alive) return;
    const auto is = trainer(s.trainer);
    if (s.words[0] != 0 && is != TrainerState::retired) {
      next([this](World& w) { obey_source(w); }, {By::source_trainer_word, s.words[0], 0, false});
      if (s.words[0] == byte(Word::retire)) ignore_that_it_moved();
    }
    if (is != TrainerState::retired) {
      fault(
          [](World& w) {
            end(w.source, Life::dead);
            w.source_died = 1;
          },
          {By::source_trainer_dies, 0, 0, true});
    }
    engine(TrainerEvent::freeze_holds, By::source_trainer_is_frozen);
    engine(TrainerEvent::freeze_put_off, By::source_trainer_is_put_off);
    if (options_.copies) engine(TrainerEvent::state_copied, By::source_trainer_is_copied);
    if (is == TrainerState::put_off) {
      engine(TrainerEvent::freeze_offered, By::source_trainer_is_frozen_anew);
    }
    const auto step = [](World& w) {
      if (w.source.step != w.done) lose_count(w);
      ++w.source.step;
      w.done = std::max(w.done, w.source.step);
    };
    if (is == TrainerState::rehearsing) {
      next(
          [&](World& w) {
            step(w);
            auto side = source_of(w);
            (void)side.on(TrainerEvent::rehearsed);
            w.source.trainer = byte(side.state());
          },
          {By::source_trainer_rehearsed, 0, 0, false});
      return;
    }
    const auto most = s.was_frozen != 0 ? kSourceStepsMax : kSourceStepsBefore;
    if (runs(s.life, s.trainer) && s.step < most) {
      next(step, {By::source_trainer_steps, 0, 0, false});
    }
  }

  void standby() {
    const auto& t = from_.target;
    const auto is = trainer(t.trainer);
    if (life(t.life) != Life::starting && life(t.life) != Life::alive) return;
    const auto die = [](World& w) {
      end(w.target, Life::dead);
      w.target.killed = 0;
    };
    const bool stored = static_cast<TargetState>(t.state) == TargetState::stored;
    if (t.killed != 0 || stored) {  // a keeper that is done ends by itself
      next(die, {By::target_trainer_dies, 1, 0, false});
    } else {
      fault(
          [&](World& w) {
            die(w);
            w.target_died = 1;
          },
          {By::target_trainer_dies, 0, 0, true});
    }
    if (life(t.life) == Life::starting) {
      next([](World& w) { w.target.life = byte(Life::alive); }, {By::standby_parks, 0, 0, false});
    }
    if (t.words[0] != 0) {
      next([this](World& w) { obey_target(w); }, {By::target_trainer_word, t.words[0], 0, false});
    }
    if (life(t.life) == Life::alive && is == TrainerState::standby_rehearsing) {
      next(
          [this](World& w) {
            auto side = standby_of(w);
            (void)side.on(TrainerEvent::rehearsed);
            w.target.trainer = byte(side.state());
          },
          {By::standby_rehearsed, 0, 0, false});
    }
    const bool may = is == TrainerState::first_step ||
                     (is == TrainerState::training && t.steps < kTargetStepsMax);
    if (life(t.life) == Life::alive && may) {
      next(
          [this](World& w) {
            auto side = standby_of(w);
            (void)side.on(TrainerEvent::stepped);
            w.target.trainer = byte(side.state());
            const auto step = content_of(w.target.held).step + ++w.target.steps;
            // The first is a trial until it is on disk: whoever takes it again does the same.
            if (w.target.steps == 1) return;
            if (step != w.done + 1U) lose_count(w);
            w.done = std::max(w.done, byte(step));
          },
          {By::target_trainer_steps, 0, 0, false});
    }
  }

  void data_plane() {
    const auto& s = from_.source;
    const auto& t = from_.target;
    const bool both = life(s.life) == Life::alive && life(t.life) == Life::alive;
    if (!both || t.second != 0) return;
    rehearsal();
    if (trainer(t.trainer) != TrainerState::standby) return;
    const bool is_copied = trainer(s.trainer) == TrainerState::copied;
    if (trainer(s.trainer) != TrainerState::frozen && !is_copied) return;
    const auto arrive = [this, is_copied](World& w, bool right) {
      const auto held = is_copied ? w.source.copied : byte(w.source.step + 1);
      w.target.held = byte(held + (right ? 0 : 4));
      const auto state_digest = content_of(w.target.held).state_digest;
      auto standby = standby_of(w);
      (void)standby.verified(TrainerEvent::state_verified, kMigration, state_digest);
      w.target.trainer = byte(standby.state());
      auto source = source_of(w);
      (void)source.verified(TrainerEvent::digests_equal, kMigration, state_digest);
      w.source.trainer = byte(source.state());
      w.source.compared = byte(is_copied ? 1 : 0);
    };
    next([&](World& w) { arrive(w, true); }, {By::state_arrives, 0, 0, false});
    fault([&](World& w) { arrive(w, false); }, {By::state_arrives_wrong, 0, 0, true});
  }

  void losses() {
    for (std::size_t i = 0; i < kInFlight; ++i) {
      if (from_.net[i] == 0 || (i > 0 && from_.net[i] == from_.net[i - 1])) continue;
      fault(
          [i](World& w) {
            w.net[i] = 0;
            std::sort(w.net.begin(), w.net.end());
          },
          {By::lose, from_.net[i], 0, true});
    }
  }

  /// A program that trains on is held by its runtime, until its agent ends it.
  void ignore_that_it_moved() {
    auto side = source_of(from_);
    if (side.on(channel::Retire{kMigration}) != TrainerAction::retire) return;
    next(
        [&](World& w) {
          w.source.words = {};
          w.source.trainer = byte(options_.runtime_holds ? side.state() : TrainerState::training);
        },
        {By::source_trainer_stays, 0, 0, false});
  }

 private:
  static std::uint8_t take(Words& words) {
    const auto first = words[0];
    std::rotate(words.begin(), words.begin() + 1, words.end());
    words.back() = 0;
    return first;
  }
  [[nodiscard]] TrainerSide source_of(const World& w) const { return side(w.source.trainer, {}); }
  [[nodiscard]] TrainerSide standby_of(const World& w) const {
    return side(w.target.trainer, content_of(w.target.held).state_digest);
  }
  [[nodiscard]] TrainerSide side(std::uint8_t state, const Digest& state_digest) const {
    const bool alone = trainer(state) == TrainerState::training;
    return {trainer(state), alone ? "" : kMigration, ArrivalMode::standby, state_digest,
            options_.trainer_rules};
  }

  void obey_source(World& w) {
    auto side = source_of(w);
    switch (static_cast<Word>(take(w.source.words))) {
      case Word::begin_sync:
        (void)side.on(channel::BeginSync{.migration = kMigration});
        (void)side.on(TrainerEvent::engine_began);
        break;
      case Word::freeze: (void)side.on(channel::Freeze{kMigration}); break;
      case Word::release_base: release(w, side, kBase); break;
      case Word::release_reclaimed: release(w, side, kReclaimed); break;
      case Word::release_taken: release(w, side, kTaken); break;
      case Word::retire:
        if (side.on(channel::Retire{kMigration}) == TrainerAction::retire) {
          return end(w.source, Life::left);
        }
        break;
      default: break;
    }
    w.source.trainer = byte(side.state());
  }
  static void release(World& w, TrainerSide& side, Epoch epoch) {
    if (side.on(channel::Release{kMigration}) == TrainerAction::none) return;
    w.source.epoch = byte(epoch);
    if (w.blind == 0) w.released = std::max(w.released, w.source.epoch);
  }
  void obey_target(World& w) {
    auto& t = w.target;
    auto side = standby_of(w);
    const auto grant = [&](const Digest& state_digest) {
      if (side.on(channel::Grant{kMigration, kGranted, state_digest}) != TrainerAction::take_grant)
        return;
      (void)side.on(TrainerEvent::grant_taken);
      (void)side.on(TrainerEvent::resumed);
      if (w.blind == 0) w.released = std::max(w.released, byte(kGranted));
    };
    switch (static_cast<Word>(take(t.words))) {
      case Word::grant: grant(content_of(t.held).state_digest); break;
      case Word::grant_of_another_state: grant(Digest{{99}}); break;
      case Word::resume: (void)side.on(channel::Release{kMigration}); break;
      default: break;
    }
    t.trainer = byte(side.state());
  }
  /// Both hold the state of one step, which nobody has confirmed.
  void rehearsal() {
    auto source = source_of(from_);
    auto standby = standby_of(from_);
    if (from_.source.step == kSourceStepsMax) return;
    if (source.on(TrainerEvent::rehearsal_due) == TrainerAction::none ||
        standby.on(TrainerEvent::rehearsal_due) == TrainerAction::none) {
      return;
    }
    next(
        [&](World& w) {
          w.source.trainer = byte(source.state());
          w.target.trainer = byte(standby.state());
        },
        {By::both_rehearse, 0, 0, false});
  }
  /// What the source's engine or gate says, whenever it may.
  void engine(TrainerEvent word, By by) {
    auto side = source_of(from_);
    if (side.on(word) == TrainerAction::none) return;
    next(
        [&](World& w) {
          w.source.trainer = byte(side.state());
          const bool copied = side.state() == TrainerState::copied;
          if (copied || side.state() == TrainerState::frozen) w.source.was_frozen = 1;
          w.source.copied = copied ? byte(w.source.step + 1) : 0;
        },
        {by, 0, 0, false});
  }

  void next(auto change, const Step& step) {
    World to = from_;
    change(to);
    found_(to, step);
  }
  void fault(auto change, const Step& step) {
    if (from_.faults == 0) return;
    World to = from_;
    --to.faults;
    change(to);
    found_(to, step);
  }

  const World& from_;
  const Options& options_;
  Nexts& found_;
};

}  // namespace

World first_world(const Options& options) {
  World w{};
  w.source.own = w.source.disk_own = w.source.epoch = byte(kBase);
  w.source.up = w.source.attached = w.target.up = w.target.attached = 1;
  w.source.life = byte(Life::alive);
  w.released = byte(kBase);
  w.faults = byte(options.faults);
  // A grant of an older migration, for the very bytes that this one will move, is still about.
  w.net.back() = code_of({Message::Kind::grant, kBase, content_of(1)});
  return w;
}

void for_each_next(const World& world, const Options& options, Nexts& found) {
  Surroundings around(world, options, found);
  around.source_trainer();
  around.standby();
  around.data_plane();
  around.losses();
  agents_next(world, options, found);
}

const char* broken_invariant(const World& w) {
  const auto source = life(w.source.life);
  const auto target = life(w.target.life);
  const bool source_runs = runs(w.source.life, w.source.trainer);
  const bool target_runs = runs(w.target.life, w.target.trainer);
  const auto disk = static_cast<SourceState>(w.source.disk_state);
  if (w.words_lost != 0) return "the model: a trainer's channel is too short";
  const auto state = static_cast<TargetState>(w.target.state);
  if (source_runs && target_runs && w.blind == 0) {
    return "1: two trainers may step";
  }
  // What an agent knows to be the lower one stands from then on.
  const bool outranked = static_cast<SourceState>(w.source.state) == SourceState::superseded;
  if (source_runs && w.source.up != 0 && outranked) return "1: the lower one steps on";
  if (target_runs && w.target.up != 0 && state == TargetState::superseded) {
    return "1: the lower one steps on";
  }
  // What is halted for good was outranked: the operator's word has no other end here.
  if ((source == Life::halted || target == Life::halted) && w.blind == 0) {
    return "1: a trainer was granted away and had to be stopped, by nobody's word";
  }
  if (source == Life::halted && target == Life::halted) return "6: both copies are halted for good";
  if (source_runs && w.source.epoch < w.released) return "1: a lower epoch steps";
  if (target_runs && kGranted < w.released) return "1: a lower epoch steps";
  if (w.done == kMiscounted) return "2: a step was lost or doubled";
  if (w.forced == 0 && source_runs && w.source.step < w.done) {
    return "2: a completed step would be done again";
  }
  const bool decided =
      is_committed(disk) || disk == SourceState::superseded || w.source.disk_own > kGranted;
  for (const auto code : w.net) {
    const auto message = message_of(code);
    const bool grants =
        message.kind == Message::Kind::grant ||
        (message.kind == Message::Kind::decision && message.decision == Decision::committed);
    if (code != 0 && grants && message.epoch == kGranted && !decided) {
      return "4: a grant is under way that is not on disk";
    }
  }
  const bool differ = w.target.held > 4 && w.target.second == 0;
  if (differ && w.forced == 0 && (is_committed(disk) || target_runs)) {
    return "5: other bytes were committed";
  }
  const bool captured = is_captured(disk) || is_captured(static_cast<SourceState>(w.source.state));
  if (captured && (differ || target_runs)) return "5: a store has other bytes, or it steps";
  const auto held = w.target.second == 0 ? w.target.held : Held{0};
  if (captured && w.source.copied != 0 && held != 0 && held != w.source.copied) {
    return "5: a store has the bytes of another step than was copied";
  }
  if (target_runs && w.forced == 0 && !decided) {
    return "4: a trainer was granted what is not on disk";
  }
  const bool source_is_gone =
      source == Life::left ||
      (source == Life::alive && trainer(w.source.trainer) == TrainerState::retired);
  if (source_is_gone && w.forced == 0 && w.done <= w.source.step) {
    return "6: the source's process was let go before the target's first step";
  }
  return nullptr;
}

bool is_settled(const World& w) {
  if (w.source.up == 0 || w.target.up == 0) return false;
  const auto source = life(w.source.life), target = life(w.target.life);
  const bool alone = trainer(w.source.trainer) == TrainerState::training;
  const bool trains = w.source_died != 0 || (source == Life::alive && alone);
  const bool target_runs = runs(w.target.life, w.target.trainer);
  const bool no_standby = target == Life::none || target == Life::dead;
  switch (static_cast<SourceState>(w.source.state)) {
    case SourceState::completed:
      return (source == Life::left || source == Life::dead) &&
             (w.forced != 0 || target_runs || w.target_died != 0);
    case SourceState::aborted:
      // Of two copies one stands; but an agent that knows nothing of a process cannot make it.
      if (w.blind != 0 && target_runs &&
          static_cast<TargetState>(w.target.state) != TargetState::nothing) {
        return false;
      }
      // Whoever took the job back tells its target until he is told that nothing steps there.
      if (w.source.open != 0 && no_standby &&
          static_cast<TargetState>(w.target.state) != TargetState::nothing) {
        return false;
      }
      return trains && (no_standby || w.forced != 0);
    case SourceState::stored: return trains && no_standby;
    case SourceState::superseded: return source == Life::halted || source == Life::dead;
    case SourceState::in_doubt: return true;
    default: return false;
  }
}

}  // namespace cardswap::handover::model
