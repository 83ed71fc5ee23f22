#include "tests/unit/handover/agents.h"

#include <algorithm>

namespace cardswap::handover::model {
namespace {

using Found = std::function<void(const World&, const Step&)>;
using By = Step::By;
using Verb = Act::Verb;

Life life(std::uint8_t value) { return static_cast<Life>(value); }
std::uint8_t byte(auto value) { return static_cast<std::uint8_t>(value); }

std::optional<Content> maybe(Held held) {
  return held == 0 ? std::nullopt : std::optional(content_of(held));
}
Held held_of(const std::optional<Content>& content) {
  return content ? model::held_of(*content) : Held{0};
}

void send(World& w, const Message& message) {
  const auto code = code_of(message);
  // One that is on its way already stands for both; where the network is full it loses.
  if (std::find(w.net.begin(), w.net.end(), code) != w.net.end()) return;
  if (w.net[0] != 0) return;
  w.net[0] = code;
  std::sort(w.net.begin(), w.net.end());
}

void say(World& w, Words& words, bool attached, Word word) {
  if (!attached) return;
  const auto free = std::find(words.begin(), words.end(), 0);
  if (free != words.begin() && *(free - 1) == byte(word)) return;
  if (free == words.end()) {
    w.words_lost = 1;
    return;
  }
  *free = byte(word);
}

bool lives(std::uint8_t value) {
  const auto is = life(value);
  return is != Life::none && is != Life::dead && is != Life::retired;
}

/// A stopped process keeps its state and hears nothing more.
void fence(auto& side) {
  if (!lives(side.life)) return;
  side.life = byte(Life::fenced);
  side.attached = 0;
  side.words = {};
}

/// Its channel is read.
bool hears(std::uint8_t value) { return lives(value) && life(value) != Life::fenced; }

struct SourceAgent {
  static SourceSide side(const World& w, const Options& options) {
    const auto& s = w.source;
    return SourceSide(
        {static_cast<State>(s.state), kGranted, s.own, content_of(s.content), s.open != 0},
        {maybe(s.ours), maybe(s.theirs)}, options.source_rules);
  }
  static void remember(World& w, const SourceSide& side) {
    w.source.state = byte(side.state());
    w.source.own = byte(side.record().own);
    w.source.content = model::held_of(side.record().content);
    w.source.open = side.record().open ? 1 : 0;
    w.source.ours = held_of(side.seen().ours);
    w.source.theirs = held_of(side.seen().theirs);
  }
  static void write(World& w, const SourceSide& side) {
    w.source.disk_state = byte(side.state());
    w.source.disk_own = byte(side.record().own);
    w.source.disk_content = model::held_of(side.record().content);
    w.source.disk_open = side.record().open ? 1 : 0;
  }
  static void crash(World& w) {
    auto& s = w.source;
    s.state = s.disk_state;
    s.own = s.disk_own;
    s.content = s.disk_content;
    s.open = s.disk_open;
    s.ours = s.theirs = s.up = s.attached = 0;
  }
  static void carry_out(World& w, const Act& act, const SourceSide& side) {
    const bool attached = w.source.attached != 0 && lives(w.source.life);
    const auto tell = [&](Word word) { say(w, w.source.words, attached, word); };
    switch (act.verb) {
      case Verb::journal: write(w, side); break;
      case Verb::send: send(w, act.message); break;
      case Verb::begin_sync: tell(Word::begin_sync); break;
      case Verb::freeze: tell(Word::freeze); break;
      case Verb::release:
        tell(act.epoch == kBase        ? Word::release_base
             : act.epoch == kReclaimed ? Word::release_reclaimed
                                       : Word::release_taken);
        break;
      case Verb::retire: tell(Word::retire); break;
      case Verb::fence: fence(w.source); break;
      case Verb::end_trainer: w.source.life = byte(Life::dead); break;
      default: break;
    }
  }
};

struct TargetAgent {
  static TargetSide side(const World& w, const Options& options) {
    const auto& t = w.target;
    return TargetSide(
        {static_cast<TargetState>(t.state), t.epoch, content_of(t.content), t.open != 0},
        options.target_rules);
  }
  static void remember(World& w, const TargetSide& side) {
    w.target.state = byte(side.state());
    w.target.epoch = byte(side.record().epoch);
    w.target.content = model::held_of(side.record().content);
    w.target.open = side.record().open ? 1 : 0;
  }
  static void write(World& w, const TargetSide& side) {
    w.target.disk_state = byte(side.state());
    w.target.disk_epoch = byte(side.record().epoch);
    w.target.disk_content = model::held_of(side.record().content);
    w.target.disk_open = side.record().open ? 1 : 0;
    if (side.state() == TargetState::completed) {
      w.done = std::max(w.done, byte(side.record().content.step + 1));
    }
  }
  static void crash(World& w) {
    auto& t = w.target;
    t.state = t.disk_state;
    t.epoch = t.disk_epoch;
    t.content = t.disk_content;
    t.open = t.disk_open;
    t.up = t.attached = 0;
    // A standby dies with its agent until it was granted the job.
    if (lives(t.life) && life(t.life) != Life::running && life(t.life) != Life::fenced) {
      t.life = byte(Life::dead);
      t.words = {};
      t.killed = 0;
    }
  }
  static void carry_out(World& w, const Act& act, const TargetSide& side) {
    auto& t = w.target;
    const bool attached = t.attached != 0 && lives(t.life);
    switch (act.verb) {
      case Verb::journal: write(w, side); break;
      case Verb::send: send(w, act.message); break;
      case Verb::start_standby:
        if (life(t.life) == Life::dead) t.second = 1;
        t.life = byte(Life::starting);
        t.attached = 1;
        t.held = t.steps = t.may_go_on = t.killed = 0;
        break;
      case Verb::kill_standby:
        if (lives(t.life)) t.killed = 1;
        break;
      case Verb::grant: say(w, t.words, attached, Word::grant); break;
      case Verb::go_on: say(w, t.words, attached, Word::go_on); break;
      case Verb::fence: fence(t); break;
      default: break;
    }
  }
};

/// Feeds one event to a side and does what it asks for: wholly, cut off by a crash after each act,
/// and with a journal that refuses.
template <class Agent>
void feed(const World& from, const Options& options, const Found& found, const Step& step,
          auto event) {
  auto side = Agent::side(from, options);
  const auto before = side;
  Acts acts = event(side);
  if (acts.empty() && side.record() == before.record()) {
    World to = from;
    Agent::remember(to, side);
    // Nothing to do is an answer, too, to a message, a restart or a trainer that comes back.
    const bool happened = step.by == By::deliver || step.by == By::source_recovers ||
                          step.by == By::target_recovers || step.by == By::source_attached;
    if (happened || !(to == from)) found(to, step);
    return;
  }
  if (options.reorder) options.reorder(acts);
  World to = from;
  Agent::remember(to, side);
  std::uint8_t done = 0;
  for (const auto& act : acts) {
    if (done > 0 && from.faults > 0) {
      World cut = to;
      --cut.faults;
      Agent::crash(cut);
      found(cut, {step.by, step.detail, done, true});
    }
    Agent::carry_out(to, act, side);
    ++done;
  }
  found(to, step);
  if (from.faults == 0 || acts.begin()->verb != Verb::journal) return;
  World full = from;
  --full.faults;
  if (!acts.begin()->required) {
    Agent::remember(full, side);
    for (const auto* act = acts.begin() + 1; act != acts.end(); ++act) {
      if (act->verb != Verb::journal) Agent::carry_out(full, *act, side);
    }
  }
  if (step.by != By::deliver_twice) found(full, {step.by, step.detail, Step::kDiskFull, true});
}

class Agents {
 public:
  Agents(const World& world, const Options& options, const Found& found)
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
                        [](SourceSide& side) { return side.recover(); });
      return;
    }
    for (const auto event :
         {Event::started, Event::sync_began, Event::downtime_fits, Event::freeze_due, Event::failed,
          Event::target_silent, Event::cleaned_up}) {
      on(event);
    }
    feed<SourceAgent>(w_, options_, found_, {By::source_tick, 0, 0, false},
                      [](const SourceSide& side) { return side.tick(); });
    if (life(s.life) == Life::held) on(Event::trainer_stays);
    if (s.attached == 0 && hears(s.life) && s.words[0] == 0) {
      World attached = w_;
      attached.source.attached = 1;
      feed<SourceAgent>(attached, options_, found_, {By::source_attached, 0, 0, false},
                        [](const SourceSide& side) { return side.attached(); });
    }
    if (s.attached != 0 && life(s.life) == Life::frozen) {
      on(Event::trainer_frozen);
      if (s.compared != 0) {
        feed<SourceAgent>(
            w_, options_, found_, {By::source_verified, 0, 0, false},
            [&](SourceSide& side) { return side.verified(content_of(byte(s.step + 1))); });
      }
    }
    if (options_.operator_acts) {
      force(Event::forced_to_source, lives(w_.target.life));
      if (life(w_.target.life) == Life::running) force(Event::forced_to_target, false);
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
                        [](TargetSide& side) { return side.recover(); });
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
    const bool asked = !is_over(static_cast<State>(w_.source.state));
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
      to.source.life = byte(Life::dead);
      to.source.words = {};
      to.source_died = 1;
      if (to.source.up != 0) SourceAgent::crash(to);
      found_(to, {By::operator_stops_source, 0, 0, true});
    }
    if (lives(w_.target.life)) {
      World to = w_;
      --to.faults;
      to.target.life = byte(Life::dead);
      to.target.words = {};
      to.target.killed = 0;
      to.target_died = 1;
      if (to.target.up != 0) TargetAgent::crash(to);
      found_(to, {By::operator_stops_target, 0, 0, true});
    }
  }

 private:
  void reports() {
    const auto& t = w_.target;
    switch (life(t.life)) {
      case Life::parked: on(TargetEvent::standby_parked); break;
      case Life::holding:
        feed<TargetAgent>(
            w_, options_, found_, {By::target_verified, 0, 0, false}, [&](TargetSide& side) {
              const auto content = content_of(t.held);
              if (side.state() == TargetState::verified && side.record().content == content) {
                return Acts();
              }
              return side.verified(content);
            });
        break;
      case Life::running:
        on(TargetEvent::standby_resumed);
        if (t.steps == 1 && t.may_go_on == 0) on(TargetEvent::standby_stepped);
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

  void on(Event event) {
    feed<SourceAgent>(w_, options_, found_, {By::source_event, byte(event), 0, false},
                      [event](SourceSide& side) { return side.on(event); });
  }
  void on(TargetEvent event) {
    const bool forced = event == TargetEvent::forced_to_source;
    feed<TargetAgent>(w_, options_, found_, {By::target_event, byte(event), 0, forced},
                      [event](TargetSide& side) { return side.on(event); });
  }

  /// The operator's word. To give it while the other side's process lives is his fault.
  void force(auto event, bool blind) {
    constexpr bool kAtSource = std::is_same_v<decltype(event), Event>;
    World from = w_;
    from.forced = 1;
    if (blind) {
      if (w_.faults == 0) return;
      --from.faults;
      from.blind = 1;
    }
    if constexpr (kAtSource) {
      if (!rule_for(options_.source_rules, static_cast<State>(w_.source.state), event)) return;
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
    auto acts = TargetAgent::side(w_, options_).tick();
    if (options_.reorder) options_.reorder(acts);
    return !acts.empty();
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
  const Found& found_;
};

}  // namespace

void agents_next(const World& world, const Options& options, const Found& found) {
  Agents agents(world, options, found);
  agents.deliveries();
  agents.source();
  agents.target();
  agents.fences();
}

}  // namespace cardswap::handover::model
