// The part of Moves that answers for the processes here: whose their ranks are.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/gang/moves.h"

namespace cardswap::gang {

bool Moves::may_restart(const Instance& instance) const {
  if (const auto lost = lost_.find(instance.id()); lost != lost_.end()) {
    spdlog::error("job {} is not started again: the record of its rank in gang {} was damaged",
                  instance.name(), lost->second);
    return false;
  }
  for (const auto& [key, task] : ranks_) {
    if (task->record().instance != instance.id() || !task->may_be_elsewhere()) continue;
    spdlog::warn("job {} is not started again: gang {} may have given its rank {} away",
                 instance.name(), key.first, key.second);
    return false;
  }
  return true;
}

RankHold Moves::hold_of(const RankTask& task) const {
  const auto& record = task.record();
  const auto conducted = gangs_.find(record.gang);
  const bool is_doubted = conducted != gangs_.end() && conducted->second->is_in_doubt();
  RankHold hold{record.gang,
                record.rank,
                record.side.part == Part::leaves,
                is_doubted || task.is_in_doubt(),
                {}};
  const auto what = hold.leaves ? fmt::format("may run on {}", record.to)
                                : fmt::format("stands for the move of another rank");
  hold.note = hold.in_doubt
                  ? fmt::format("rank {} {} (migration {}): `cardswap --agent {} status {}`",
                                record.rank, what, record.gang, record.conductor, record.gang)
                  : fmt::format("rank {} {} (migration {})", record.rank, what, record.gang);
  return hold;
}

std::optional<RankHold> Moves::hold_of(const Instance& instance) const {
  if (const auto lost = lost_.find(instance.id()); lost != lost_.end()) {
    return RankHold{lost->second, 0, true, true,
                    fmt::format("may run elsewhere: the record of its rank in migration {} was "
                                "damaged, and is set aside",
                                lost->second)};
  }
  std::optional<RankHold> most;
  for (const auto& [key, task] : ranks_) {
    if (task->record().instance != instance.id() || task->state() != RankState::ready) continue;
    auto hold = hold_of(*task);
    const bool is_more = !most || (hold.leaves && !most->leaves) ||
                         (hold.in_doubt && !most->in_doubt && hold.leaves == most->leaves);
    if (is_more) most = std::move(hold);
  }
  return most;
}

RankDoubts Moves::doubts() const {
  const auto is_doubted = [](const auto& one) { return one.second->is_in_doubt(); };
  return {static_cast<std::size_t>(std::ranges::count_if(gangs_, is_doubted)),
          static_cast<std::size_t>(std::ranges::count_if(ranks_, is_doubted))};
}

bool Moves::has_broken(const GangTask& gang) const {
  if (gang.state() != GangState::broken) return false;
  const auto& record = gang.record();
  return std::ranges::any_of(context_.jobs.all(), [&](const Job& job) {
    return job.name() == record.job && job.is_live() && job.world_size > 1 && !job.standby &&
           job.epoch <= record.side.epoch;
  });
}

std::string Moves::concern() const {
  for (const auto& [id, gang] : gangs_) {
    const auto& record = gang->record();
    if (gang->is_in_doubt()) {
      return fmt::format("job {} is in doubt: it may run on {} (migration {})", record.spec.job,
                         record.spec.to, id);
    }
    if (has_broken(*gang)) {
      return fmt::format("job {} has lost a rank in migration {}: its log says why", record.job,
                         id);
    }
  }
  for (const auto& [key, rank] : ranks_) {
    if (!rank->is_in_doubt()) continue;
    return fmt::format(
        "rank {} of job {} stands still: the agent at {} does not tell what became "
        "of migration {}",
        key.second, rank->record().job, rank->record().conductor, key.first);
  }
  for (const auto& [instance, gang] : lost_) {
    const auto* here = context_.jobs.by_instance(instance);
    if (here == nullptr || !here->is_live()) continue;
    return fmt::format(
        "job {} may run elsewhere: the record of its rank in migration {} was "
        "damaged",
        here->name(), gang);
  }
  return {};
}

void Moves::on_exit(const Instance& instance) {
  for (const auto& [key, task] : ranks_) {
    if (task->record().instance == instance.id()) task->on_exit();
  }
}

void Moves::on_detached(const Instance& instance, std::uint32_t rank) {
  if (auto* task = find_running(instance.id(), rank)) task->on_exit();
}

void Moves::on_attached(const Instance& instance, const channel::Hello& hello) {
  bool is_known = false;
  for (const auto& [key, task] : ranks_) {
    if (task->record().instance != instance.id() || key.second != hello.rank) continue;
    const bool is_its = key.first == hello.migration;
    if (is_its || !task->is_over()) task->on_attached();
    is_known = is_known || is_its;
  }
  if (is_known || hello.migration.empty() || instance.job().standby) return;
  if (has_lost_the_record_of(hello.migration, hello.rank)) {
    return note_lost(instance, hello.rank, hello.migration);
  }
  // A rank whose promise is not on disk has given none: it goes on as before.
  (void)context_.hub.send(instance, hello.rank, channel::Release{hello.migration});
}

/// It cannot be told from the damaged record whether the rank has promised; nor while the disk does
/// not answer.
bool Moves::has_lost_the_record_of(const std::string& gang, std::uint32_t rank) const {
  try {
    return context_.journal.has_trace_of(Journal::Kind::rank, key_of_rank(gang, rank));
  } catch (const Error& disk) {
    spdlog::error("gang {}: rank {}: {}", gang, rank, disk.what());
    return true;
  }
}

void Moves::note_lost(const Instance& instance, std::uint32_t rank, const std::string& gang) {
  if (!lost_.emplace(instance.id(), gang).second) return;  // it was told
  const auto text = fmt::format(
      "job {}: rank {} stands still for migration {}, whose record was damaged and is set aside: "
      "that rank may run elsewhere; `cardswap stop --force {}` ends it",
      instance.name(), rank, gang, instance.name());
  spdlog::error("{}", text);
  context_.events.emit(
      {.kind = "in_doubt", .text = text, .job = instance.name(), .migration = gang});
}

}  // namespace cardswap::gang
