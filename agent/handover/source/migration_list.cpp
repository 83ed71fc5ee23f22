#include "agent/handover/source/migration_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/task_group.h"
#include "agent/jobs/job.h"

namespace cardswap {
namespace {

constexpr std::size_t kTimelinesKept = 200;
constexpr std::chrono::milliseconds kWriteAgain{2000};

}  // namespace

std::vector<std::string> MigrationTraits::instances_of(const Migration& m) {
  std::vector<std::string> all;
  for (const auto& transfer : m.transfers) all.push_back(transfer.instance());
  return all;
}

void MigrationList::load() {
  load_each([this](const boost::json::object& record) {
    auto& m = insert(migration_from_journal(record));
    if (handover::is_over(m.state())) return;
    for (const auto& transfer : m.transfers) live_[transfer.instance()] = &m;
  });
}

Migration& MigrationList::add(Migration made) {
  save(made);
  auto& m = insert(std::move(made));
  for (const auto& transfer : m.transfers) live_[transfer.instance()] = &m;
  return m;
}

const Migration& MigrationList::at(const std::string& id) const {
  if (const auto* m = find_by_id(id)) return *m;
  throw Error(Code::not_found,
              fmt::format("there is no migration '{}' on {}", id, config_.host_name),
              "`cardswap status` lists them");
}

Migration* MigrationList::find_running(const std::string& instance) {
  const auto found = live_.find(instance);
  return found == live_.end() ? nullptr : found->second;
}
const Migration* MigrationList::find_running(const std::string& instance) const {
  const auto found = live_.find(instance);
  return found == live_.end() ? nullptr : found->second;
}

bool MigrationList::has_lost_the_record_of(const Job& job) const {
  return !job.standby && job.newer_epoch == 0 && !job.migration.empty() && !has(job.migration);
}

void MigrationList::mark_ended(const Migration& m) {
  for (const auto& transfer : m.transfers) {
    if (find_running(transfer.instance()) == &m) live_.erase(transfer.instance());
  }
}

void MigrationList::save(const MigrationRecord& record,
                         const std::vector<TransferRecord>& transfers) {
  put(record.id, to_journal(record, transfers));
}

asio::awaitable<void> MigrationList::save_end(std::string id) {
  for (bool logged = false; has(id);) {
    const auto& m = at(id);
    try {
      save(m);
      co_return;
    } catch (const Error& disk) {
      if (!std::exchange(logged, true)) {
        spdlog::error("job {} migration {}: {}", m.spec().job, m.id(), disk.what());
      }
    }
    co_await pause_for(kWriteAgain);
  }
}

void MigrationList::forget_old_timelines() {
  std::size_t kept = 0;
  const auto all = items();
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    auto* m = *at;
    const bool none =
        m->are_all([](const Transfer& transfer) { return transfer.record().timeline.empty(); });
    if (!handover::is_over(m->state()) || none || ++kept <= kTimelinesKept) continue;
    for (auto& transfer : m->transfers) transfer.record_.timeline = {};
    try {
      save(*m);
    } catch (const Error& disk) {  // the next agent forgets it again
      spdlog::warn("migration {}: {}", m->id(), disk.what());
    }
  }
}

}  // namespace cardswap
