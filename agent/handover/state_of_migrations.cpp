#include "agent/handover/state_of_migrations.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/handover/base/in_doubt.h"
#include "agent/handover/source/source_second_copy.h"

namespace cardswap {
namespace {

using handover::SourceState;

/// The latest of this process; or none.
const Migration* migration_of(const Instance& instance, const Migrations& migrations) {
  const auto all = migrations.migrations_of(instance.id());
  return all.empty() ? nullptr : all.back();
}

}  // namespace

EffectiveState effective_state_of(const Instance& instance, const Migrations& migrations,
                                  const Reservations& reservations) {
  if (!instance.is_live()) return {};
  const auto& job = instance.job();
  const auto* m = migration_of(instance, migrations);
  const auto* r = reservations.find(instance);
  if (job.newer_epoch != 0) {
    const auto where = m != nullptr && m->state() == SourceState::superseded ? " at " + m->spec().to
                       : r != nullptr ? " at " + r->record().from
                                      : std::string();
    return {EffectiveState::Kind::frozen,
            fmt::format("superseded: epoch {} of it steps{}; `cardswap stop {}` ends "
                        "this copy",
                        job.newer_epoch, where, job.name())};
  }
  if (m != nullptr && m->state() == SourceState::in_doubt) {
    return {EffectiveState::Kind::in_doubt,
            fmt::format("may run on {} (migration {})", m->spec().to, m->id())};
  }
  if (migrations.has_lost_the_record_of(job)) {
    return {EffectiveState::Kind::in_doubt,
            fmt::format("may run elsewhere: the record of migration {} was damaged, and is set "
                        "aside",
                        job.migration)};
  }
  if (instance.frozen && instance.state() == InstanceState::running) {
    return {EffectiveState::Kind::frozen,
            m != nullptr && !handover::is_over(m->state())
                ? fmt::format("is frozen for migration {} to {}", m->id(), m->spec().to)
                : std::string()};
  }
  if (m != nullptr && m->has_pending_notice()) return {{}, copy_note(*m)};
  if (r != nullptr && r->record().in_doubt) {
    return {
        {},
        fmt::format("in doubt: {} does not tell what was decided{} (migration {})",
                    r->record().from_api, r->doubt.empty() ? "" : ": " + r->doubt, r->migration())};
  }
  if (r != nullptr && r->is_granted() && r->has_pending_notice()) {
    if (r->record().copy == LowerCopy::frozen) {
      return {{},
              fmt::format("its copy at {} is halted for good: `cardswap stop {}` there",
                          r->record().from, job.name())};
    }
    return {
        {},
        fmt::format("{} of it {} at {} (migration {})",
                    r->record().copy ? "TWO COPIES: a lower epoch" : "a copy",
                    r->record().copy ? "runs" : "may still run", r->record().from, r->migration())};
  }
  if (instance.held) {
    return {{},
            fmt::format("held at step {}: `cardswap resume {}` lets it go on", instance.held->step,
                        job.name())};
  }
  return {};
}

void check_stop(const Instance& instance, const Migrations& migrations,
                const Reservations& reservations) {
  const auto& job = instance.job();
  if (const auto* r = reservations.find(instance); r != nullptr && job.standby) {
    reservations.check_cancel(*r);
    throw Error(Code::conflict,
                fmt::format("job {} is on its way here from {} (migration {})", job.name(),
                            r->record().from, r->migration()),
                "`cardswap cancel " + r->migration() + "` here or at its source gives it up");
  }
  if (instance.is_live() && migrations.has_lost_the_record_of(job)) {
    throw Error(
        Code::conflict,
        fmt::format("job {} is frozen for migration {}, whose record was damaged and is set "
                    "aside: this may be its only good copy",
                    job.name(), job.migration),
        what_to_do_without_the_record(job));
  }
  const auto* m = migration_of(instance, migrations);
  if (m == nullptr || !instance.is_live()) return;
  if (m->state() != SourceState::committed && m->state() != SourceState::resumed &&
      m->state() != SourceState::in_doubt) {
    return;
  }
  throw Error(
      Code::conflict,
      fmt::format("job {} is frozen for migration {}, which is {}: this may be its only good "
                  "copy",
                  job.name(), m->id(), to_string(m->state())),
      m->state() == SourceState::in_doubt
          ? what_to_do_in_doubt(m->id(), m->spec().to) + "; `cardswap stop --force` ends it unasked"
          : "it ends by itself when the target has made a step; `cardswap stop --force` "
            "ends it now");
}

bool may_restart(const Instance& instance, const Migrations& migrations,
                 const Reservations& reservations) {
  const auto& job = instance.job();
  if (migrations.has_lost_the_record_of(job)) {
    spdlog::error(
        "job {} is not started again: it was frozen for migration {}, whose record was "
        "damaged and is set aside; it may run elsewhere",
        job.name(), job.migration);
    return false;
  }
  // A job of many ranks is started again as a whole, by its launcher, and not where one has moved.
  const bool has_moved = std::ranges::any_of(
      instance.ranks, [](const auto& one) { return !one.second.moved_to.empty(); });
  if (job.world_size > 1 && (has_moved || !instance.record().came_from.empty())) return false;
  return reservations.may_restart(instance);
}

std::string concern_of(const JobList& jobs, const Migrations& migrations,
                       const RankMoves& rank_moves) {
  for (const auto& job : jobs.all()) {
    if (job.is_live() && job.newer_epoch != 0) {
      return fmt::format("job {}: a copy that epoch {} has superseded is halted here", job.name(),
                         job.newer_epoch);
    }
    if (job.is_live() && migrations.has_lost_the_record_of(job)) {
      return fmt::format("job {} may run elsewhere: the record of its migration {} was damaged",
                         job.name(), job.migration);
    }
  }
  for (const auto& m : migrations.all()) {
    if (m.state() == SourceState::in_doubt) {
      return fmt::format("job {} is in doubt: it may run on {} (migration {})", m.spec().job,
                         m.spec().to, m.id());
    }
    if (m.has_pending_notice()) {
      if (auto note = copy_note(m); !note.empty())
        return fmt::format("job {}: {}", m.spec().job, note);
    }
  }
  return rank_moves.concern();
}

}  // namespace cardswap
