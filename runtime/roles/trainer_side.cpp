#include "runtime/roles/trainer_side.h"

#include <utility>
#include <variant>

namespace cardswap {

TrainerAct TrainerSide::on(TrainerWord word) {
  const auto rule = rule_for(rules_, state_, word);
  if (!rule) return TrainerAct::none;
  state_ = rule->to;
  if (state_ == TrainerState::training) {
    migration_.clear();
    root_.reset();
  }
  return rule->then;
}

TrainerAct TrainerSide::on(TrainerWord word, std::string_view migration) {
  return migration == migration_ ? on(word) : TrainerAct::none;
}

TrainerAct TrainerSide::on(const channel::Message& message) {
  using Word = TrainerWord;
  if (const auto* begin_now = std::get_if<channel::BeginSync>(&message)) return begin(*begin_now);
  if (const auto* freeze = std::get_if<channel::Freeze>(&message)) {
    return on(Word::freeze, freeze->migration);
  }
  if (const auto* release = std::get_if<channel::Release>(&message)) {
    return released(release->migration);
  }
  if (const auto* retire = std::get_if<channel::Retire>(&message)) {
    return on(Word::retire, retire->migration);
  }
  if (const auto* grant = std::get_if<channel::Grant>(&message)) {
    const bool fits = state_ == TrainerState::holding && root_ == grant->root;
    return on(fits ? Word::grant_fits : Word::grant_of_another_state, grant->migration);
  }
  if (const auto* depart = std::get_if<channel::Depart>(&message)) {
    const bool may = state_ == TrainerState::equal && arrival_ == Arrival::criu;
    return on(may ? Word::depart : Word::depart_too_early, depart->migration);
  }
  // Of which migration is judged where it is taken: this process is elsewhere in any case.
  if (std::holds_alternative<channel::Arrived>(message)) return on(Word::arrived);
  return TrainerAct::none;
}

TrainerAct TrainerSide::begin(const channel::BeginSync& begin) {
  const auto act = on(TrainerWord::begin_sync);
  if (act == TrainerAct::none) return act;
  migration_ = begin.migration;
  arrival_ = begin.spec.arrive;
  root_.reset();
  return act;
}

/// One that is in no migration says that it trains, whatever it is asked to let go of.
TrainerAct TrainerSide::released(std::string_view migration) {
  if (state_ != TrainerState::training && migration != migration_) return TrainerAct::none;
  return on(TrainerWord::release);
}

TrainerAct TrainerSide::verified(TrainerWord word, std::string_view migration, const Digest& root) {
  const auto act = on(word, migration);
  if (act != TrainerAct::none) root_ = root;
  return act;
}

TrainerAct TrainerSide::stand_by(std::string migration) {
  const auto act = on(TrainerWord::stands_by);
  if (act != TrainerAct::none) migration_ = std::move(migration);
  return act;
}

}  // namespace cardswap
