#include "tests/unit/handover/acting.h"

#include <algorithm>

#include "tests/unit/handover/agents.h"

namespace cardswap::handover::model {
namespace {

using Type = Effect::Type;

std::optional<Content> maybe(Held held) {
  return held == 0 ? std::nullopt : std::optional(content_of(held));
}
Held held_of(const std::optional<Content>& content) {
  return content ? model::held_of(*content) : Held{0};
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

/// A stopped process keeps its state and hears nothing more.
void halt(auto& side) {
  if (!lives(side.life)) return;
  end(side, Life::halted);
  side.attached = 0;
}

}  // namespace

bool lives(std::uint8_t value) {
  const auto is = life(value);
  return is != Life::none && is != Life::dead && is != Life::left;
}

bool runs(std::uint8_t is, std::uint8_t value) {
  const auto state = trainer(value);
  return life(is) == Life::alive && (may_step(state) || state == TrainerState::freezing ||
                                     state == TrainerState::first_step_done);
}

bool hears(std::uint8_t value) { return lives(value) && life(value) != Life::halted; }

void send(World& w, const Message& message) {
  const auto code = code_of(message);
  // One that is on its way already stands for both; where the network is full it loses.
  if (std::find(w.net.begin(), w.net.end(), code) != w.net.end()) return;
  if (w.net[0] != 0) return;
  w.net[0] = code;
  std::sort(w.net.begin(), w.net.end());
}

SourceSide SourceAgent::side(const World& w, const Options& options) {
  const auto& s = w.source;
  return SourceSide({static_cast<SourceState>(s.state), kGranted, s.own, content_of(s.content),
                     s.open != 0, options.to_store},
                    {maybe(s.ours), maybe(s.theirs)}, options.source_rules);
}

void SourceAgent::remember(World& w, const SourceSide& side) {
  w.source.state = byte(side.state());
  w.source.own = byte(side.durable().own_epoch);
  w.source.content = model::held_of(side.durable().content);
  w.source.open = side.durable().notice_pending ? 1 : 0;
  w.source.ours = held_of(side.seen().ours);
  w.source.theirs = held_of(side.seen().theirs);
}

void SourceAgent::crash(World& w) {
  auto& s = w.source;
  s.state = s.disk_state;
  s.own = s.disk_own;
  s.content = s.disk_content;
  s.open = s.disk_open;
  s.ours = s.theirs = s.up = s.attached = 0;
}

void SourceAgent::journal(World& w, const SourceSide& side) {
  w.source.disk_state = byte(side.state());
  w.source.disk_own = byte(side.durable().own_epoch);
  w.source.disk_content = model::held_of(side.durable().content);
  w.source.disk_open = side.durable().notice_pending ? 1 : 0;
}

void SourceAgent::execute(World& w, const Effect& effect) {
  const bool attached = w.source.attached != 0 && lives(w.source.life);
  const auto tell = [&](Word word) { say(w, w.source.words, attached, word); };
  switch (effect.type) {
    case Type::begin_sync: tell(Word::begin_sync); break;
    case Type::freeze: tell(Word::freeze); break;
    case Type::release:
      tell(effect.epoch == kBase        ? Word::release_base
           : effect.epoch == kReclaimed ? Word::release_reclaimed
                                        : Word::release_taken);
      break;
    case Type::retire: tell(Word::retire); break;
    case Type::halt_trainer: halt(w.source); break;
    case Type::end_trainer: end(w.source, Life::dead); break;
    default: break;
  }
}

TargetSide TargetAgent::side(const World& w, const Options& options) {
  const auto& t = w.target;
  return TargetSide({static_cast<TargetState>(t.state), t.epoch, content_of(t.content), t.open != 0,
                     options.to_store},
                    options.target_rules);
}

void TargetAgent::remember(World& w, const TargetSide& side) {
  w.target.state = byte(side.state());
  w.target.epoch = byte(side.durable().epoch);
  w.target.content = model::held_of(side.durable().content);
  w.target.open = side.durable().notice_pending ? 1 : 0;
}

void TargetAgent::crash(World& w) {
  auto& t = w.target;
  t.state = t.disk_state;
  t.epoch = t.disk_epoch;
  t.content = t.disk_content;
  t.open = t.disk_open;
  t.up = t.attached = 0;
  // A standby dies with its agent until it was granted the job.
  if (lives(t.life) && is_standby(trainer(t.trainer))) {
    end(t, Life::dead);
    t.killed = 0;
  }
}

void TargetAgent::journal(World& w, const TargetSide& side) {
  w.target.disk_state = byte(side.state());
  w.target.disk_epoch = byte(side.durable().epoch);
  w.target.disk_content = model::held_of(side.durable().content);
  w.target.disk_open = side.durable().notice_pending ? 1 : 0;
  if (side.state() == TargetState::completed) {
    w.done = std::max(w.done, byte(side.durable().content.step + 1));
  }
}

void TargetAgent::execute(World& w, const Effect& effect) {
  auto& t = w.target;
  const bool attached = t.attached != 0 && lives(t.life);
  switch (effect.type) {
    case Type::start_standby:
      if (life(t.life) == Life::dead) t.second = 1;
      t.life = byte(Life::starting);
      t.trainer = byte(TrainerState::standby);
      t.attached = 1;
      t.held = t.steps = t.killed = 0;
      break;
    case Type::kill_standby:
      if (lives(t.life)) t.killed = 1;
      break;
    case Type::grant:
      say(w, t.words, attached, t.content == t.held ? Word::grant : Word::grant_of_another_state);
      break;
    case Type::let_on: say(w, t.words, attached, Word::resume); break;
    case Type::halt_trainer: halt(t); break;
    default: break;
  }
}

}  // namespace cardswap::handover::model
