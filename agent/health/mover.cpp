#include "agent/health/mover.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "agent/base/units.h"
#include "agent/health/peer_devices.h"
#include "agent/health/ranks_here.h"
#include "migrator/base/error.h"

namespace cardswap::health {

Mover::Mover(const HealthContext& context, JournalledEngine& journalled, HealthCounters& counters)
    : tasks_(context.tasks),
      config_(context.config),
      jobs_(context.jobs),
      migrations_(context.migrations),
      rank_moves_(context.rank_moves),
      recoverer_(context.recoverer),
      journalled_(journalled),
      counters_(counters) {}

void Mover::start(const Move& move) {
  if (!move.dry_run) {
    ++counters_.moves_started;
    followed_.insert(move.job_uid);
  }
  tasks_.spawn("move " + move.job, run_move(move));
}

void Mover::follow_former() {
  for (const auto& uid : journalled_.engine().guards().moving_jobs()) {
    followed_.insert(uid);
    tasks_.spawn("follow the move of " + uid, follow_former(uid));
  }
}

void Mover::emit_event(const Move& move, const std::string& kind, const std::string& text,
                       const std::string& migration) {
  journalled_.emit_event({.kind = kind,
                          .device = move.device,
                          .code = move.code,
                          .job = move.job,
                          .migration = migration,
                          .text = text});
  journalled_.flush();
}

DeviceChoice Mover::choose_here(const Move& move) const {
  const auto* job = jobs_.find(move.job);
  if (job == nullptr || job->uid() != move.job_uid) return {{}, "it is gone"};
  const auto found = recoverer_.device_for(*job);
  if (found.device.empty()) return {{}, found.why_none};
  return {fmt::format("{}/{}", config_.host_name, found.device), {}};
}

asio::awaitable<DeviceChoice> Mover::choose(Move move) {
  if (!config_.has_port()) {
    co_return DeviceChoice{{}, "this agent has no TCP port, without which no job moves: --listen"};
  }
  if (move.from_snapshot) co_return choose_here(move);
  const auto& spares = journalled_.engine().policy().spares;
  const auto own = config_.reached_here().text();
  std::vector<PeerAgent> peers;
  const auto add = [&](const std::string& address) {
    const bool known = std::any_of(peers.begin(), peers.end(),
                                   [&](const auto& peer) { return peer.address == address; });
    const bool self = address == own;
    if (!known && !(self && move.leave_host)) peers.push_back({address, self});
  };
  std::vector<std::string> only;
  for (const auto& spare : spares) {
    add(agent_of(spare));
    only.push_back(canonical_destination(spare));
  }
  if (spares.empty()) {
    if (!move.leave_host) add(own);
    for (const auto& peer : config_.peers) add(agent_of(peer));
  }
  const auto wanted = parts_of(move);
  auto devices = co_await ask_peers(tasks_, std::move(peers), std::move(only));
  for (auto& device : devices) {
    if (device.host == own && !journalled_.engine().incidents().is_usable(device.name))
      device.unhealthy = true;
  }
  const auto placed = place(wanted, devices);
  if (placed.unplaced.empty()) {
    std::vector<std::string> to(wanted.size());
    for (const auto& one : placed.assigned) to[one.job] = devices.at(one.device).address();
    co_return DeviceChoice{fmt::format("{}", fmt::join(to, ",")), {}};
  }
  avoided_.forget(move.job_uid);  // all have refused: the next try may ask them again
  co_return DeviceChoice{
      {},
      devices.empty()
          ? std::string("no other device is known: give cardswapd a --peer, or the policy spares")
          : "no device fits: " + to_string(placed.unplaced.at(0).reasons)};
}

std::vector<PlacementJob> Mover::parts_of(const Move& move) const {
  PlacementJob wanted;
  wanted.name = move.job;
  wanted.host = config_.reached_here().text();  // as choose() calls this agent
  wanted.device = move.device;
  wanted.kind = move.device.substr(0, move.device.find(':'));
  if (const auto* job = jobs_.find(move.job))
    wanted.state_bytes = job->first().record().state_bytes;
  wanted.avoid = avoided_.targets_of(move.job_uid);
  const auto ranks = ranks_here(jobs_, move.job, move.device);
  if (ranks.empty()) return {wanted};
  std::vector<PlacementJob> parts;
  for (const auto& one : ranks) {
    wanted.name = fmt::format("{}/{}", move.job, one.rank);
    wanted.state_bytes = one.state_bytes;
    parts.push_back(wanted);
  }
  return parts;
}

asio::awaitable<void> Mover::follow_former(std::string job_uid) {
  const Followed followed(*this, job_uid);
  for (const auto* instance : jobs_.instances()) {
    const auto& job = instance->job();
    if (job.uid() != job_uid || !job.recovery.is_under_way()) continue;
    const auto failed = co_await recoverer_.recover(job.name(), job.recovery.reason);
    journalled_.note_move_ended(0, job_uid, !failed);
    co_return;
  }
  std::string id;
  for (const auto& migration : migrations_.all()) {
    if (handover::is_over(migration.state())) continue;
    const auto* source = jobs_.by_instance(migration.only().instance());
    if (source != nullptr && source->job().uid() == job_uid) id = migration.id();
  }
  if (id.empty()) {
    journalled_.forget_move(job_uid);
  } else {
    const bool moved = co_await wait_for_end(id);
    journalled_.note_move_ended(0, job_uid, moved);
  }
}

asio::awaitable<bool> Mover::wait_for_end(std::string migration) {
  co_await migrations_.wait_until_over(migration);
  co_return migrations_.at(migration).state() == handover::SourceState::completed;
}

asio::awaitable<bool> Mover::recover(Move move) {
  emit_event(move, "recovery_started",
             fmt::format("from its newest snapshot, because of {}", move.reason));
  const auto failed = co_await recoverer_.recover(move.job, move.reason);
  if (failed) emit_event(move, "move_failed", failed->what());
  co_return !failed;
}

asio::awaitable<bool> Mover::migrate(Move move, std::string target) {
  const auto& policy = journalled_.engine().policy();
  MigrationRequest wanted;
  wanted.spec = policy.migration;
  wanted.spec.job = move.job;
  wanted.spec.to = target;
  if (move.is_urgent) wanted.spec.timeout_ms = static_cast<double>(policy.deadline);
  auto ready = co_await migrations_.prepare(std::move(wanted));
  const auto id = migrations_.start(std::move(ready)).id();
  emit_event(move, "move_started", fmt::format("to {}, because of {}", target, move.reason), id);
  const bool moved = co_await wait_for_end(id);
  const auto& ended = migrations_.at(id);
  if (moved) {
    const auto& transfer = ended.only().record();
    const auto lost = summary_of(transfer.lost_time, transfer.downtime_ms);
    emit_event(move, "moved",
               fmt::format("to {}{}, stopped for {}", target,
                           lost ? fmt::format(", {} lost so far", format_ms(lost->lost_ms)) : "",
                           format_ms(transfer.downtime_ms)),
               id);
  } else {
    const auto& error = ended.record().error;
    emit_event(move, "move_failed", error ? error->failure() : "it was given up", id);
    avoided_.add(move.job_uid, move.incident, target);
  }
  co_return moved;
}

asio::awaitable<void> Mover::run_move(Move move) {
  // However this task ends, release_orphaned_slots() then frees its place in the budget.
  const Followed followed(*this, move.dry_run ? std::string() : move.job_uid);
  bool moved = false;
  std::string failure;
  try {
    auto choice = co_await choose(move);
    if (move.dry_run) {
      if (choice.device.empty()) {
        emit_event(move, "would_fail", choice.why_none);
      } else {
        emit_event(move, move.from_snapshot ? "would_recover" : "would_move",
                   fmt::format("to {}{}, because of {}", choice.device,
                               move.from_snapshot ? " from its newest snapshot" : "", move.reason));
      }
      co_return;
    }
    if (choice.device.empty()) {
      journalled_.note_not_placed(move, choice.why_none);
      co_return;
    }
    if (move.from_snapshot) {
      moved = co_await recover(move);
    } else {
      const bool are_ranks = !ranks_here(jobs_, move.job, move.device).empty();
      auto moves = are_ranks ? migrate_ranks(move, std::move(choice.device))
                             : migrate(move, std::move(choice.device));
      moved = co_await std::move(moves);
    }
  } catch (const std::exception&) {
    if (tasks_.is_stopping()) throw;  // the next agent finds out what became of it
    failure = error_of(std::current_exception()).what();
  }
  if (!failure.empty()) emit_event(move, move.dry_run ? "would_fail" : "move_failed", failure);
  if (move.dry_run) co_return;
  if (moved) avoided_.forget(move.job_uid);
  counters_.moves_failed += moved ? 0 : 1;
  journalled_.note_move_ended(move.incident, move.job_uid, moved);
}

void Mover::forget_avoided() {
  avoided_.keep_only([this](const std::string& uid, std::uint64_t id) {
    const auto is_it = [&](const Incident& incident) { return incident.id == id; };
    const auto is_its = [&](const Instance* instance) {
      return instance->is_live() && uid_in_engine(*instance) == uid;
    };
    return std::ranges::any_of(journalled_.engine().incidents(), is_it) &&
           std::ranges::any_of(jobs_.instances(), is_its);
  });
}

void Mover::release_orphaned_slots() {
  for (const auto& uid : journalled_.engine().guards().moving_jobs()) {
    if (followed_.contains(uid)) continue;
    spdlog::warn("health: nobody follows the move of {} any more: its place is free", uid);
    journalled_.forget_move(uid);
  }
}

}  // namespace cardswap::health
