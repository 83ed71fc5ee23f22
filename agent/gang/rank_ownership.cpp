// The part of Moves that answers for the processes here: whose their ranks are.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

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

void Moves::on_exit(const Instance& instance) {
  for (const auto& [key, task] : ranks_) {
    if (task->record().instance == instance.id()) task->on_exit();
  }
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
