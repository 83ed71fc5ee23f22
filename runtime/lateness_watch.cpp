#include "runtime/lateness_watch.h"

#include <algorithm>
#include <utility>

namespace cardswap {
namespace {

double ms_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(std::max<std::int64_t>(0, to_ns - from_ns)) / 1e6;
}

}  // namespace

std::optional<channel::Message> LatenessWatch::begin(const std::string& migration) {
  auto before = gate_.ordinary_ms();
  const MutexLock lock(mutex_);
  auto last = end();
  migration_ = migration;
  late_ = {};
  late_.migration = migration;
  late_.lateness = Lateness(pace_of(before));
  began_ns_ = gate_.step_began_ns();
  stood_ = false;
  changed_ = true;
  enter(Phase::moving);
  return last;
}

void LatenessWatch::end_migration(const std::string& migration) {
  const MutexLock lock(mutex_);
  if (phase_ == Phase::moving && migration == migration_) enter(Phase::going_on);
}

void LatenessWatch::drop() {
  const MutexLock lock(mutex_);
  migration_.clear();
  changed_ = false;
  enter(Phase::none);
}

std::optional<channel::Message> LatenessWatch::changes() {
  const MutexLock lock(mutex_);
  if (!std::exchange(changed_, false)) return std::nullopt;
  return report();
}

void LatenessWatch::repeat_report() {
  const MutexLock lock(mutex_);
  changed_ = !migration_.empty();
}

std::optional<channel::Message> LatenessWatch::final_report() {
  const MutexLock lock(mutex_);
  return end();
}

std::optional<channel::Message> LatenessWatch::end() {
  if (phase_ == Phase::none) return std::nullopt;
  late_.over = first_steps_.over = true;
  changed_ = false;
  enter(Phase::none);
  return report();
}

std::optional<channel::Message> LatenessWatch::on_parked() {
  const MutexLock lock(mutex_);
  if (phase_ != Phase::moving) return std::nullopt;
  stood_ = true;
  late_.open_ms = ms_between(began_ns_, gate_.step_began_ns());
  changed_ = false;
  return report();
}

void LatenessWatch::arrives(const std::string& migration) {
  const MutexLock lock(mutex_);
  migration_ = migration;
  first_steps_ = {};
  first_steps_.migration = migration;
  first_steps_.took_ms.reserve(kStepsAfter);
  changed_ = true;
  enter(Phase::arriving);
}

void LatenessWatch::step_begins() {
  const MutexLock lock(mutex_);
  if (phase_ == Phase::none) return;
  const auto now = StepGate::Clock::now().time_since_epoch().count();
  const auto took_ms = ms_between(std::exchange(began_ns_, now), now);
  changed_ = true;
  add(took_ms);
}

void LatenessWatch::add(double took_ms) {
  auto& first = first_steps_.took_ms;
  switch (phase_) {
    case Phase::none: return;
    case Phase::arriving: return enter(Phase::first);
    case Phase::first:
      // The very first step includes the wait for the agent.
      if (!first.empty()) gate_.note_ordinary(took_ms);
      first.push_back(took_ms);
      first_steps_.over = first.size() == kStepsAfter;
      if (first_steps_.over) enter(Phase::none);
      return;
    case Phase::moving:
    case Phase::going_on:
    case Phase::after: break;
  }
  if (std::exchange(stood_, false)) {
    late_.lateness.add_stand(took_ms);
  } else {
    late_.lateness.add(took_ms);
  }
  late_.open_ms = 0;
  if (phase_ == Phase::moving) return;
  // The step that was under way at the release does not count as one after it.
  if (phase_ == Phase::going_on) return enter(Phase::after);
  late_.over = ++late_.after == kStepsAfter;
  if (late_.over) enter(Phase::none);
}

channel::Message LatenessWatch::report() const {
  if (is_at_the_target()) return first_steps_;
  return late_;
}

void LatenessWatch::enter(Phase phase) {
  phase_ = phase;
  gate_.time_steps(phase != Phase::none);
}

}  // namespace cardswap
