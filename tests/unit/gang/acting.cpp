#include "tests/unit/gang/acting.h"

#include <algorithm>

namespace cardswap::gang::model {

using handover::Message;
using handover::TargetState;
using Way = Letter::Way;

namespace {

std::size_t at(const World& w, std::size_t rank) { return rank - w.stay; }

/// Clears what nothing depends on any more, so that it makes no other world.
void forget_what_is_of_no_use(World::Conductor& c, GangState state) {
  if (state < GangState::committed) return;
  const bool back = is_given_up(state) || state == GangState::reclaiming;
  for (auto& heard : c.ranks) {
    heard.step = back ? 0 : c.step;
    heard.content = 0;
    if (back || heard.state <= byte(RankState::ready)) heard.state = 0;
    if (state == GangState::aborted) heard.clear = 0;
  }
  for (auto& heard : c.newcomers) {
    const auto newcomer = static_cast<TargetState>(heard.state);
    const bool failed =
        newcomer == TargetState::failed && (state == GangState::reclaiming || c.open != 0);
    const bool granted = !back && handover::is_granted(newcomer);
    if (newcomer == TargetState::resumed) heard.state = byte(TargetState::granted);
    if (!failed && !granted) heard.state = 0;
    heard.content = 0;
    if (state == GangState::aborted) heard.clear = 0;
  }
}

/// The trainer of a rank that stays: its side, and what its process does.
class StayingTrainer {
 public:
  StayingTrainer(World& w, const Options& options, std::size_t rank)
      : w_(w),
        rank_(w.ranks[rank]),
        side_(static_cast<StayingState>(rank_.trainer),
              rank_.trainer == byte(StayingState::training) ? "" : kGang,
              rank_.gate == 0 ? 0 : rank_.gate - 1U, options.staying_rules) {}

  /// Under the epoch that it has.
  void hear(StayingEvent event) {
    take(side_.on(event), {RankEffect::Type::report, true, epoch_of(rank_.epoch), 0});
  }
  void obey(const RankEffect& effect) { take(side_.on(message_of(effect)), effect); }

 private:
  static constexpr const char* kGang = "g";

  [[nodiscard]] static channel::Message message_of(const RankEffect& effect) {
    using Type = RankEffect::Type;
    switch (effect.type) {
      case Type::build: return channel::BuildNext{kGang, kGranted, "", 0};
      case Type::arm: return channel::Arm{kGang, effect.step};
      case Type::check: return channel::Check{kGang};
      case Type::switch_over: return channel::SwitchOver{kGang, effect.epoch};
      case Type::close: return channel::CloseOld{kGang};
      case Type::retire: return channel::Retire{kGang};
      default: return channel::Release{kGang};
    }
  }
  /// What it reports is told as long as its agent can use it: members.cpp.
  void take(StayingAction action, const RankEffect& effect) {
    switch (action) {
      case StayingAction::build: rank_.asked = byte(rank_.asked | kBuild); break;
      case StayingAction::arm:
        if (effect.step < earliest(rank_)) {
          rank_.asked = byte(rank_.asked | kPassed);
          (void)side_.gate_answered(false, earliest(rank_));
        } else {
          rank_.gate = byte(effect.step + 1);
          (void)side_.gate_answered(true, effect.step);
        }
        break;
      case StayingAction::check: rank_.asked = byte(rank_.asked | kCheck); break;
      case StayingAction::switch_over:
        if (rank_.has_next == 0) w_.early = 1;
        rank_.next = 1;
        rank_.gate = rank_.asked = 0;
        rank_.epoch = byte(kGranted);
        break;
      case StayingAction::close: rank_.lacks_old = 1; break;
      case StayingAction::release:
        rank_.next = rank_.has_next = rank_.gate = rank_.asked = 0;
        rank_.epoch = byte_of(effect.epoch);
        break;
      case StayingAction::answer: rank_.epoch = byte_of(effect.epoch); break;
      case StayingAction::none:
      case StayingAction::report:
      case StayingAction::refuse: break;
    }
    rank_.trainer = byte(side_.state());
  }

  World& w_;
  World::Rank& rank_;
  StayingSide side_;
};

}  // namespace

bool is_parked(const World::Rank& rank) {
  return life(rank.life) == Life::alive && rank.gate == rank.done + 1 && rank.in_step == 0;
}

bool is_free(const World::Rank& rank) { return life(rank.life) == Life::alive && !is_parked(rank); }

bool is_free(const World::Newcomer& newcomer) {
  return life(newcomer.life) == Life::alive && newcomer.granted != 0;
}

void tell_trainer(World& w, const Options& options, std::size_t rank, StayingEvent event) {
  StayingTrainer(w, options, rank).hear(event);
}

std::uint8_t earliest(const World::Rank& rank) { return byte(rank.done + rank.in_step); }

void send(World& w, const Options& options, const Letter& letter) {
  // An equal one under way counts for both; a full network loses it.
  if (std::find(w.net.begin(), w.net.end(), letter) != w.net.end()) return;
  if (w.net[kInFlight - options.in_flight].way != 0) return;
  w.net[kInFlight - options.in_flight] = letter;
  std::sort(w.net.begin(), w.net.end());
}

Letter letter_of(std::size_t rank, const Order& order) {
  const bool epoch = order.kind == Order::Kind::release;
  const bool step = order.kind == Order::Kind::propose || order.kind == Order::Kind::freeze;
  return {byte(Way::to_rank),
          byte(rank),
          byte(order.kind),
          0,
          byte(epoch ? byte_of(order.own_epoch) : 0),
          byte(step ? order.step : 0),
          0};
}

Letter letter_of(std::size_t rank, const RankStatus& status) {
  return {byte(Way::from_rank),   byte(rank), byte(status.state), 0, 0, byte(status.step),
          held_of(status.content)};
}
Letter question_of(std::size_t rank) { return {byte(Way::from_rank), byte(rank), 0, 1, 0, 0, {}}; }

/// A newcomer's agent answers on the route of its gang, and so under the gang's epoch.
Letter letter_of(Way way, std::size_t rank, const Message& message) {
  const bool decides = message.kind == Message::Kind::decision;
  const bool bytes = message.kind == Message::Kind::grant ||
                     message.kind == Message::Kind::status ||
                     (decides && message.decision == handover::Decision::committed);
  return {byte(way),
          byte(rank),
          byte(message.kind),
          byte(decides ? byte(message.decision) : byte(message.state)),
          byte_of(way == Way::from_newcomer ? kGranted : message.epoch),
          0,
          bytes ? held_of(message.content) : Held{0}};
}

Order order_of(const Letter& letter) {
  return {static_cast<Order::Kind>(letter.kind), kGranted, epoch_of(letter.epoch), letter.step};
}

RankStatus status_of(const Letter& letter) {
  return {kGranted, static_cast<RankState>(letter.kind), letter.step, content_of(letter.held)};
}

GangEffects answer_to(const GangSide& side, std::uint32_t rank) {
  GangEffects effects;
  effects.add({GangEffect::Type::order, true, side.due_order(rank), Message::Kind::poll, rank});
  return effects;
}

Message message_of(const Letter& letter) {
  const auto kind = static_cast<Message::Kind>(letter.kind);
  const bool decides = kind == Message::Kind::decision;
  return {kind, epoch_of(letter.epoch), content_of(letter.held),
          decides ? static_cast<handover::Decision>(letter.asks) : handover::Decision::pending,
          decides ? TargetState::nothing : static_cast<TargetState>(letter.asks)};
}

GangSide GangAgent::side(const World& w, const Options& options, std::size_t) {
  const auto& c = w.conductor;
  GangDurable record{
      static_cast<GangState>(c.state), kGranted, epoch_of(c.own), c.step, c.open != 0, {}};
  std::vector<HeardOfRank> heard(ranks_of(w));
  record.ranks.resize(ranks_of(w));
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    const auto& of = c.ranks[rank];
    auto& to = heard[rank];
    to.state = static_cast<RankState>(of.state);
    to.step = of.step;
    to.content = content_of(of.content);
    to.is_clear = of.clear != 0;
    if (rank < w.stay) continue;
    record.ranks[rank] = {Part::leaves, content_of(c.content[at(w, rank)])};
    const auto& newcomer = c.newcomers[at(w, rank)];
    to.newcomer = static_cast<TargetState>(newcomer.state);
    to.newcomer_content = content_of(newcomer.content);
    to.newcomer_is_clear = newcomer.clear != 0;
  }
  return GangSide(std::move(record), std::move(heard), 0, options.gang_rules);
}

void GangAgent::remember(World& w, const GangSide& side, std::size_t) {
  auto& c = w.conductor;
  const auto& record = side.durable();
  c.state = byte(record.state);
  c.own = byte_of(record.own_epoch);
  c.step = byte(record.step);
  c.open = record.notice_pending ? 1 : 0;
  for (std::size_t rank = 0; rank < ranks_of(w); ++rank) {
    const auto& heard = side.heard()[rank];
    c.ranks[rank] = {byte(heard.state), byte(heard.step), held_of(heard.content),
                     byte(heard.is_clear ? 1 : 0)};
    if (rank < w.stay) continue;
    c.content[at(w, rank)] = held_of(record.ranks[rank].content);
    c.newcomers[at(w, rank)] = {byte(heard.newcomer), 0, held_of(heard.newcomer_content),
                                byte(heard.newcomer_is_clear ? 1 : 0)};
  }
  forget_what_is_of_no_use(c, record.state);
}

void GangAgent::journal(World& w, const GangSide& side, std::size_t) {
  auto& c = w.conductor;
  const auto& record = side.durable();
  c.disk_state = byte(record.state);
  c.disk_own = byte_of(record.own_epoch);
  c.disk_step = byte(record.step);
  c.disk_open = record.notice_pending ? 1 : 0;
  for (std::size_t rank = w.stay; rank < ranks_of(w); ++rank) {
    c.disk_content[at(w, rank)] = held_of(record.ranks[rank].content);
  }
}

void GangAgent::crash(World& w, std::size_t) {
  auto& c = w.conductor;
  c.state = c.disk_state;
  c.own = c.disk_own;
  c.step = c.disk_step;
  c.open = c.disk_open;
  c.content = c.disk_content;
  c.ranks = {};
  c.newcomers = {};
  c.up = 0;
}

void GangAgent::execute(World& w, const Options& options, const GangEffect& effect,
                        const GangSide& side, std::size_t, const std::function<void()>& before) {
  if (effect.type == GangEffect::Type::alert_operator) return before();
  for (std::uint32_t rank = 0; rank < ranks_of(w); ++rank) {
    if (!side.is_for(effect, rank)) continue;
    before();
    send(w, options,
         effect.type == GangEffect::Type::order
             ? letter_of(rank, side.order(effect.order))
             : letter_of(Way::to_newcomer, rank, side.message(rank, effect.message)));
  }
}

RankSide RankAgent::side(const World& w, const Options& options, std::size_t rank) {
  const auto& r = w.ranks[rank];
  return RankSide({static_cast<RankState>(r.state), rank < w.stay ? Part::stays : Part::leaves,
                   kGranted, epoch_of(r.own), r.step, content_of(r.held)},
                  options.rank_rules);
}

void RankAgent::remember(World& w, const RankSide& side, std::size_t rank) {
  auto& r = w.ranks[rank];
  r.state = byte(side.durable().state);
  r.own = byte_of(side.durable().own_epoch);
  r.step = byte(side.durable().step);
  r.held = held_of(side.durable().content);
}

void RankAgent::journal(World& w, const RankSide& side, std::size_t rank) {
  auto& r = w.ranks[rank];
  r.disk_state = byte(side.durable().state);
  r.disk_own = byte_of(side.durable().own_epoch);
  r.disk_step = byte(side.durable().step);
  r.disk_held = held_of(side.durable().content);
}

void RankAgent::crash(World& w, std::size_t rank) {
  auto& r = w.ranks[rank];
  r.state = r.disk_state;
  r.own = r.disk_own;
  r.step = r.disk_step;
  r.held = r.disk_held;
  r.up = r.attached = 0;
}

void RankAgent::execute(World& w, const Options& options, const RankEffect& effect,
                        const RankSide& side, std::size_t rank,
                        const std::function<void()>& before) {
  using Type = RankEffect::Type;
  before();
  auto& r = w.ranks[rank];
  if (effect.type == Type::report) return send(w, options, letter_of(rank, side.status()));
  if (effect.type == Type::ask) return send(w, options, question_of(rank));
  if (r.attached == 0 || life(r.life) != Life::alive || effect.type == Type::journal) return;
  if (rank < w.stay) return StayingTrainer(w, options, rank).obey(effect);
  switch (effect.type) {
    case Type::build: r.asked = byte(r.asked | kBuild); break;
    case Type::arm:
      if (effect.step < earliest(r)) {
        r.asked = byte(r.asked | kPassed);
      } else {
        r.gate = byte(effect.step + 1);
      }
      break;
    case Type::check: r.asked = byte(r.asked | kCheck); break;
    case Type::retire:
      r.life = byte(Life::left);
      r.gate = r.asked = r.in_step = 0;
      break;
    case Type::release:
      r.gate = r.asked = 0;
      r.epoch = byte_of(effect.epoch);
      break;
    default: break;  // of a rank that stays
  }
}

handover::TargetSide NewcomerAgent::side(const World& w, const Options& options, std::size_t rank) {
  const auto& n = newcomer_of(w, rank);
  return handover::TargetSide(
      {static_cast<TargetState>(n.state), n.epoch, content_of(n.content), false},
      options.target_rules);
}

void NewcomerAgent::remember(World& w, const Side& side, std::size_t rank) {
  auto& n = newcomer_of(w, rank);
  n.state = byte(side.state());
  n.epoch = byte(side.durable().epoch);
  n.content = held_of(side.durable().content);
}

void NewcomerAgent::journal(World& w, const Side& side, std::size_t rank) {
  auto& n = newcomer_of(w, rank);
  n.disk_state = byte(side.state());
  n.disk_epoch = byte(side.durable().epoch);
  n.disk_content = held_of(side.durable().content);
}

void NewcomerAgent::crash(World& w, std::size_t rank) {
  auto& n = newcomer_of(w, rank);
  n.state = n.disk_state;
  n.epoch = n.disk_epoch;
  n.content = n.disk_content;
  n.up = n.attached = 0;
  // A standby dies with its agent until it was granted the job.
  if (lives(n.life) && n.granted == 0) {
    n.life = byte(Life::dead);
    n.killed = 0;
    w.newcomer_died = 1;
  }
}

void NewcomerAgent::execute(World& w, const Options& options, const handover::Effect& effect,
                            const Side&, std::size_t rank, const std::function<void()>& before) {
  using Type = handover::Effect::Type;
  before();
  auto& n = newcomer_of(w, rank);
  switch (effect.type) {
    case Type::send: send(w, options, letter_of(Way::from_newcomer, rank, effect.message)); break;
    case Type::start_standby:
      if (life(n.life) == Life::dead) n.second = 1;
      n.life = byte(Life::alive);
      n.attached = 1;
      n.held = n.granted = n.done = n.in_step = n.waits = n.killed = 0;
      break;
    case Type::kill_standby:
      if (lives(n.life)) n.killed = 1;
      break;
    case Type::grant:
      if (n.attached == 0 || life(n.life) != Life::alive || n.content != n.held) break;
      n.granted = 1;
      n.done = byte(content_of(n.held).step);
      break;
    case Type::let_on:
      if (n.attached != 0) n.waits = 0;
      break;
    case Type::halt_trainer:
      // A gang has no use for its state: nobody has stepped with it.
      if (!lives(n.life)) break;
      n.life = byte(Life::halted);
      n.killed = 1;
      break;
    default: break;
  }
}

}  // namespace cardswap::gang::model
