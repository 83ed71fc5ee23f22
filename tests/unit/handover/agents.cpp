#include "tests/unit/handover/agents.h"

#include <algorithm>

#include "tests/unit/handover/acting.h"

namespace cardswap::handover::model {
namespace {

using By = Step::By;
using Type = Effect::Type;

/// Feeds one event to a side, whose Driver does what it asks for: wholly, cut off by a crash after
/// each act, and with a journal that refuses.
template <class Agent>
void feed(const World& from, const Options& options, Nexts& found, const Step& step, auto event) {
  auto side = Agent::side(from, options);
  const auto before = side;
  Effects effects = event(side);
  if (effects.empty() && side.durable() == before.durable()) {
    World to = from;
    Agent::remember(to, side);
    // Nothing to do is an answer, too, to a message, a restart or a trainer that comes back.
    const bool happened = step.by == By::deliver || step.by == By::source_recovers ||
                          step.by == By::target_recovers || step.by == By::source_attached;
    if (happened || !(to == from)) found(to, step);
    return;
  }
  if (options.reorder) options.reorder(effects);
  const auto drive = [&](World& world, bool disk_is_full, const auto& cut) {
    auto driven = before;
    Acting<Agent, std::remove_cvref_t<decltype(cut)>> acting(world, disk_is_full, cut);
    Driver<typename Agent::Side> driver(driven, acting, acting);
    if (!driver.apply(side, effects)) Agent::remember(world, driven);
  };
  World to = from;
  const auto cut = [&](std::uint8_t done) {
    if (done == 0 || from.faults == 0) return;
    World crashed = to;
    --crashed.faults;
    Agent::crash(crashed);
    found(crashed, {step.by, step.detail, done, true});
  };
  drive(to, false, cut);
  found(to, step);
  if (from.faults == 0 || effects.begin()->type != Type::journal) return;
  World full = from;
  --full.faults;
  drive(full, true, [](std::uint8_t) {});
  if (step.by != By::deliver_twice) found(full, {step.by, step.detail, Step::kDiskFull, true});
}

class Agents {
 public:
  Agents(const World& world, const Options& options, Nexts& found)
      : w_(world), options_(options), found_(found) {}

  void deliveries() {
    for (std::size_t i = 0; i < kInFlight; ++i) {
      const auto code = w_.net[i];
      if (code == 0 || (i > 0 && code == w_.net[i - 1])) continue;
      const auto message = message_of(code);
      World arrived = w_;
      arrived.net[i] = 0;
      std::sort(arrived.net.begin(), arrived.net.end());
      deliver(arrived, message, {By::deliver, code, 0, false});
      if (w_.faults == 0) continue;
      World again = w_;
      --again.faults;
      deliver(again, message, {By::deliver_twice, code, 0, true});
    }
  }

  void source() {
    const auto& s = w_.source;
    if (s.up == 0) {
      World restarted = w_;
      restarted.source.up = 1;
      feed<SourceAgent>(restarted, options_, found_, {By::source_recovers, 0, 0, false},
                        [](SourceSide& side) { return side.after_restart(); });
      return;
    }
    for (const auto event :
         {SourceEvent::started, SourceEvent::sync_began, SourceEvent::downtime_fits,
          SourceEvent::freeze_due, SourceEvent::failed, SourceEvent::target_silent,
          SourceEvent::cleaned_up}) {
      on(event);
    }
    feed<SourceAgent>(w_, options_, found_, {By::source_tick, 0, 0, false},
                      [](const SourceSide& side) { return side.tick(); });
    const auto is = trainer(s.trainer);
    const bool alive = life(s.life) == Life::alive;
    if (alive && is == TrainerState::retired) on(SourceEvent::trainer_stays);
    if (s.attached == 0 && hears(s.life) && s.words[0] == 0) {
      World attached = w_;
      attached.source.attached = 1;
      feed<SourceAgent>(attached, options_, found_, {By::source_attached, 0, 0, false},
                        [](const SourceSide& side) { return side.attached(); });
    }
    const bool copied = is == TrainerState::copied;
    const bool verified = is == TrainerState::verified || (copied && s.compared != 0);
    if (s.attached != 0 && alive && (is == TrainerState::frozen || copied || verified)) {
      on(SourceEvent::trainer_frozen);
      if (verified) {
        const auto content = content_of(copied ? s.copied : byte(s.step + 1));
        feed<SourceAgent>(w_, options_, found_, {By::source_verified, 0, 0, false},
                          [&](SourceSide& side) { return side.verified(content); });
      }
    }
    if (options_.operator_acts) {
      force(SourceEvent::forced_to_source, lives(w_.target.life));
      if (runs(w_.target.life, w_.target.trainer)) force(SourceEvent::forced_to_target, false);
    }
    if (w_.faults > 0) crash<SourceAgent>(By::source_crashes, &World::source);
  }

  void target() {
    const auto& t = w_.target;
    if (t.up == 0) {
      World restarted = w_;
      restarted.target.up = 1;
      const Step step{By::target_recovers, 0, 0, false};
      feed<TargetAgent>(restarted, options_, found_, step,
                        [](TargetSide& side) { return side.after_restart(); });
      if (w_.faults == 0) return;
      --restarted.faults;
      TargetAgent::remember(restarted, TargetSide({}));
      restarted.target.disk_state = restarted.target.disk_epoch = 0;
      restarted.target.disk_content = 0;
      found_(restarted, {By::target_recovers_without_journal, 0, 0, true});
      return;
    }
    if (lives(t.life)) on(TargetEvent::standby_started);
    if (life(t.life) == Life::dead) on(TargetEvent::standby_ended);
    on(TargetEvent::source_silent);
    if (t.attached == 0 && t.killed == 0 && hears(t.life) && t.words[0] == 0) {
      World attached = w_;
      attached.target.attached = 1;
      found_(attached, {By::target_attached, 0, 0, false});
    }
    if (t.attached != 0) reports();
    // Its source asks until it is over; then the target speaks only of what it must tell.
    const bool asked = !is_over(static_cast<SourceState>(w_.source.state));
    if (static_cast<TargetState>(t.state) != TargetState::nothing && (asked || tells())) {
      World told = w_;
      send(told, TargetAgent::side(w_, options_).status());
      if (!(told == w_)) found_(told, {By::target_tells, 0, 0, false});
    }
    if (options_.operator_acts) {
      on(TargetEvent::forced_to_source);
      force(TargetEvent::forced_to_target, lives(w_.source.life));
    }
    if (w_.faults > 0) crash<TargetAgent>(By::target_crashes, &World::target);
  }

  /// The operator stops one host's process for good, as an end of what he forces must begin.
  void fences() {
    if (!options_.operator_acts || w_.faults == 0) return;
    if (lives(w_.source.life)) {
      World to = w_;
      --to.faults;
      end(to.source, Life::dead);
      to.source_died = 1;
      if (to.source.up != 0) SourceAgent::crash(to);
      found_(to, {By::operator_stops_source, 0, 0, true});
    }
    if (lives(w_.target.life)) {
      World to = w_;
      --to.faults;
      end(to.target, Life::dead);
      to.target.killed = 0;
      to.target_died = 1;
      if (to.target.up != 0) TargetAgent::crash(to);
      found_(to, {By::operator_stops_target, 0, 0, true});
    }
  }

 private:
  void reports() {
    const auto& t = w_.target;
    if (life(t.life) != Life::alive) return;
    switch (trainer(t.trainer)) {
      case TrainerState::standby: on(TargetEvent::standby_parked); break;
      case TrainerState::standby_verified:
        if (options_.to_store) on(TargetEvent::standby_stored);
        feed<TargetAgent>(
            w_, options_, found_, {By::target_verified, 0, 0, false}, [&](TargetSide& side) {
              const auto content = content_of(t.held);
              if (side.state() == TargetState::verified && side.durable().content == content) {
                return Effects();
              }
              return side.verified(content);
            });
        break;
      case TrainerState::first_step:
      case TrainerState::first_step_done:
      case TrainerState::training:
        on(TargetEvent::standby_resumed);
        if (trainer(t.trainer) == TrainerState::first_step_done) on(TargetEvent::standby_stepped);
        if (t.steps == 0 && w_.faults > 0) {
          World failing = w_;
          --failing.faults;
          feed<TargetAgent>(failing, options_, found_,
                            {By::target_event, byte(TargetEvent::standby_failed), 0, true},
                            [](TargetSide& side) { return side.on(TargetEvent::standby_failed); });
        }
        break;
      default: break;
    }
  }

  void on(SourceEvent event) {
    // Most events have no rule in most states, and the sides are what costs here.
    if (!rule_for(options_.source_rules, static_cast<SourceState>(w_.source.state), event)) return;
    feed<SourceAgent>(w_, options_, found_, {By::source_event, byte(event), 0, false},
                      [event](SourceSide& side) { return side.on(event); });
  }
  void on(TargetEvent event) {
    if (!rule_for(options_.target_rules, static_cast<TargetState>(w_.target.state), event)) return;
    const bool forced = event == TargetEvent::forced_to_source;
    feed<TargetAgent>(w_, options_, found_, {By::target_event, byte(event), 0, forced},
                      [event](TargetSide& side) { return side.on(event); });
  }

  /// The operator's word. To give it while the other side's process lives is his fault.
  void force(auto event, bool blind) {
    constexpr bool kAtSource = std::is_same_v<decltype(event), SourceEvent>;
    World from = w_;
    from.forced = 1;
    if (blind) {
      if (w_.faults == 0) return;
      --from.faults;
      from.blind = 1;
    }
    if constexpr (kAtSource) {
      if (!rule_for(options_.source_rules, static_cast<SourceState>(w_.source.state), event))
        return;
      feed<SourceAgent>(from, options_, found_, {By::source_event, byte(event), 0, true},
                        [event](SourceSide& side) { return side.on(event); });
    } else {
      if (!rule_for(options_.target_rules, static_cast<TargetState>(w_.target.state), event)) {
        return;
      }
      feed<TargetAgent>(from, options_, found_, {By::target_event, byte(event), 0, true},
                        [event](TargetSide& side) { return side.on(event); });
    }
  }

  [[nodiscard]] bool tells() const {
    auto effects = TargetAgent::side(w_, options_).tick();
    if (options_.reorder) options_.reorder(effects);
    return !effects.empty();
  }
  void deliver(const World& from, const Message& message, const Step& step) {
    const bool to_source =
        message.kind == Message::Kind::status || message.kind == Message::Kind::ask;
    if (to_source && from.source.up != 0) {
      feed<SourceAgent>(from, options_, found_, step,
                        [&](SourceSide& side) { return side.on(message); });
    } else if (!to_source && from.target.up != 0) {
      feed<TargetAgent>(from, options_, found_, step,
                        [&](TargetSide& side) { return side.on(message); });
    }
  }
  /// What lay in the channel may still be read by the trainer, or not.
  template <class Agent>
  void crash(By by, auto side) {
    World to = w_;
    --to.faults;
    Agent::crash(to);
    found_(to, {by, 0, 0, true});
    if ((to.*side).words[0] == 0) return;
    (to.*side).words = {};
    found_(to, {by, 1, 0, true});
  }

  const World& w_;
  const Options& options_;
  Nexts& found_;
};

}  // namespace

void agents_next(const World& world, const Options& options, Nexts& found) {
  Agents agents(world, options, found);
  agents.deliveries();
  agents.source();
  agents.target();
  agents.fences();
}

}  // namespace cardswap::handover::model
