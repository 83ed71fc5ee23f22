#include "agent/handover/source/migration_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/base/retention.h"
#include "agent/jobs/job.h"

namespace cardswap {
namespace {

constexpr std::size_t kTimelinesKept = 200;
constexpr std::chrono::milliseconds kWriteAgain{2000};

}  // namespace

MigrationList::MigrationList(asio::io_context& context, const Config& config, Journal& journal,
                             Callbacks callbacks)
    : config_(config), journal_(journal), callbacks_(std::move(callbacks)), changed_(context) {}

void MigrationList::load() {
  journal_.each(Journal::Kind::migration, [this](const boost::json::object& record) {
    auto& m = insert(migration_from_journal(record));
    if (handover::is_over(m.state())) return;
    for (const auto& transfer : m.transfers) live_[transfer.instance] = &m;
  });
}

Migration& MigrationList::add(Migration made) {
  save(made);
  auto& m = insert(std::move(made));
  for (const auto& transfer : m.transfers) live_[transfer.instance] = &m;
  return m;
}

Migration& MigrationList::insert(Migration made) {
  auto& m = migrations_.emplace_back(std::move(made));
  by_id_.emplace(m.id, &m);
  for (const auto& transfer : m.transfers) by_instance_.emplace(transfer.instance, &m);
  return m;
}

void MigrationList::drop_from_indices(const Migration& m) {
  if (const auto found = by_id_.find(m.id); found != by_id_.end() && found->second == &m) {
    by_id_.erase(found);
  }
  for (const auto& transfer : m.transfers) {
    const auto [first, last] = by_instance_.equal_range(transfer.instance);
    const auto its =
        std::find_if(first, last, [&](const auto& entry) { return entry.second == &m; });
    if (its != last) by_instance_.erase(its);
  }
}

Migration& MigrationList::found(const std::string& id) const {
  if (const auto found = by_id_.find(id); found != by_id_.end()) return *found->second;
  throw Error(Code::not_found,
              fmt::format("there is no migration '{}' on {}", id, config_.host_name),
              "`cardswap status` lists them");
}

bool MigrationList::has(const std::string& id) const { return by_id_.contains(id); }

template <class M>
std::vector<M*> MigrationList::those_of(const std::string& instance) const {
  std::vector<M*> found;
  const auto [first, last] = by_instance_.equal_range(instance);
  for (auto entry = first; entry != last; ++entry) found.push_back(entry->second);
  return found;
}
std::vector<Migration*> MigrationList::all_of(const std::string& instance) {
  return those_of<Migration>(instance);
}
std::vector<const Migration*> MigrationList::all_of(const std::string& instance) const {
  return those_of<const Migration>(instance);
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

void MigrationList::note_over(const Migration& m) {
  for (const auto& transfer : m.transfers) {
    if (find_running(transfer.instance) == &m) live_.erase(transfer.instance);
  }
}

void MigrationList::save(const MigrationRecord& record,
                         const std::vector<TransferRecord>& transfers) {
  journal_.put(Journal::Kind::migration, record.id, journal_record(record, transfers));
}

asio::awaitable<void> MigrationList::record_end(std::string id) {
  for (bool logged = false; has(id);) {
    const auto& m = at(id);
    try {
      save(m);
      co_return;
    } catch (const Error& disk) {
      if (!std::exchange(logged, true)) {
        spdlog::error("job {} migration {}: {}", m.spec.job, m.id, disk.what());
      }
    }
    co_await pause_for(kWriteAgain);
  }
}

void MigrationList::touch(Migration& m) {
  ++m.version;
  changed_.notify();
}

void MigrationList::forget_old() {
  std::vector<std::int64_t> ended;
  for (const auto& m : migrations_) {
    const bool needed =
        !handover::is_over(m.state()) || m.has_pending_notice() || callbacks_.is_pinned(m);
    ended.push_back(needed ? 0 : m.ended_at_ms != 0 ? m.ended_at_ms : m.started_at_ms);
  }
  std::size_t place = 0;
  auto m = migrations_.begin();
  for (const auto forgotten : to_forget(ended, unix_ms())) {
    std::advance(m, forgotten - place);
    try {
      journal_.remove(Journal::Kind::migration, m->id);
    } catch (const Error& disk) {
      spdlog::warn("migration {} is not forgotten yet: {}", m->id, disk.what());
      return;
    }
    callbacks_.forgetting(*m);
    drop_from_indices(*m);
    m = migrations_.erase(m);
    place = forgotten + 1;
  }
}

void MigrationList::forget_old_timelines() {
  std::size_t kept = 0;
  for (auto m = migrations_.rbegin(); m != migrations_.rend(); ++m) {
    const bool none =
        m->are_all([](const Transfer& transfer) { return transfer.timeline.empty(); });
    if (!handover::is_over(m->state()) || none || ++kept <= kTimelinesKept) continue;
    for (auto& transfer : m->transfers) transfer.timeline = {};
    try {
      save(*m);
    } catch (const Error& disk) {  // the next agent forgets it again
      spdlog::warn("migration {}: {}", m->id, disk.what());
    }
  }
}

}  // namespace cardswap
