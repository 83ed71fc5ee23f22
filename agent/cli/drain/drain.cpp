#include "agent/cli/drain/drain.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "agent/base/units.h"
#include "agent/base/validate.h"
#include "agent/cli/drain/drain_answers.h"
#include "agent/cli/text/fields.h"
#include "agent/handover/base/migration_body.h"
#include "agent/http/agent_address.h"
#include "agent/placement/blamed_places.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kPlaceAgain{3};
constexpr std::size_t kTriesMax = 3;

/// Whether the move may succeed with another target.
bool elsewhere_may_help(Code code) {
  return code == Code::no_memory || code == Code::refused || code == Code::unreachable ||
         code == Code::target_lost || code == Code::layout_differs ||
         code == Code::protocol_mismatch;
}

}  // namespace

Drain::Drain(const Context& context, DrainOptions options)
    : options_(std::move(options)),
      run_(context, options_),
      targets_(drained(), options_.to, context.credentials) {
  for (const auto& problem : targets_.problems()) {
    if (!context.quiet) std::cerr << "cardswap: " << problem << "\n";
  }
}

// ---- the jobs of the host

void Drain::note_job(Item& item, const json::object& job) {
  auto& placed = item.job;
  placed.name = name_at(job, "name", validate::is_job_name, drained());
  placed.host = drained().text();
  placed.device = name_at(job, "device", validate::is_device_or_host, drained());
  placed.kind = placed.device.substr(0, placed.device.find(':'));
  placed.state_bytes = number_at<std::uint64_t>(job, "state_bytes");
  placed.movable = flag_at(job, "attached") && placed.state_bytes > 0;
  placed.immovable_reason = flag_at(job, "attached") ? "it has not passed its first step yet"
                                                     : "no Cardswap runtime is attached to it";
  if (number_at(job, "world_size") > 1) note_ranks(item, job);
  item.row.job = item.moves();
  item.row.from = run_.host_name() + "/" + placed.device;
  item.pid = number_at<std::int64_t>(job, "pid");
}

/// Each of them has to be able to move: one that cannot keeps the others.
void Drain::note_ranks(Item& item, const json::object& job) {
  auto& placed = item.job;
  item.ranks.clear();
  for (const auto& one : array_at(job, "ranks")) {
    const auto& from = one.as_object();
    DrainRank rank;
    rank.rank = number_at<std::uint32_t>(from, "rank");
    rank.device = name_at(from, "device", validate::is_device_or_host, drained());
    rank.state_bytes = number_at<std::uint64_t>(from, "state_bytes");
    if (!flag_at(from, "attached") || rank.state_bytes == 0) placed.movable = false;
    item.ranks.push_back(std::move(rank));
  }
  std::ranges::sort(item.ranks, {}, &DrainRank::rank);
  if (item.ranks.empty()) placed.movable = false;
  placed.immovable_reason = "not all of its ranks are attached and have passed their first step";
}

bool Drain::take_up(Item& item, const std::string& migration) {
  json::object found;
  try {
    found = run_.ask("/v1/migrations/" + migration);
  } catch (const Error& error) {
    if (error.code() == Code::not_found) return false;  // the one that brought it is not from here
    throw;
  }
  if (value_at(found, "result") != nullptr || !printable_at(found, "store").empty()) return false;
  item.migration = std::move(found);
  item.row.migration = migration;
  item.row.to = printable_at(item.migration, "to");
  item.row.tries += 1;
  item.hooked = true;
  item.phase = Phase::moving;
  return true;
}

void Drain::refresh() {
  const auto answer = run_.ask("/v1/jobs");
  arriving_ = 0;
  std::vector<std::string> live;
  for (const auto& job : with_ranks_together(listed_jobs(answer, drained()))) {
    const auto state = printable_at(job, "state");
    if (state == "standby") ++arriving_;
    if (!is_training(job)) continue;
    const auto name = name_at(job, "name", validate::is_job_name, drained());
    live.push_back(name);
    auto item = std::find_if(items_.begin(), items_.end(),
                             [&](const Item& known) { return known.job.name == name; });
    if (item == items_.end()) {
      item = items_.emplace(items_.end());
      placement_is_old_ = true;
    } else if (item->phase == Phase::over && item->row.is_gone() &&
               item->pid != number_at<std::int64_t>(job, "pid")) {
      *item = Item();  // it is here again, or on another device of this host
    } else if (item->phase == Phase::moving || item->phase == Phase::over) {
      continue;
    }
    const bool was_waiting = item->phase == Phase::waiting;
    note_job(*item, job);
    item->phase = item->job.movable ? Phase::waiting : Phase::stuck;
    if (!was_waiting && item->job.movable) placement_is_old_ = true;
    if (!printable_at(job, "migration").empty()) {
      take_up(*item, name_at(job, "migration", validate::is_migration_id, drained()));
    }
  }
  for (auto& item : items_) {
    if (item.phase != Phase::waiting && item.phase != Phase::stuck) continue;
    if (std::find(live.begin(), live.end(), item.job.name) == live.end()) {
      run_.finish(item, "ended", "it ended by itself");
    }
  }
}

// ---- moving

/// The targets' devices, without the memory that migrations will take of which the targets do not
/// know yet.
std::vector<PlacementDevice> Drain::devices() {
  auto result = targets_.devices();
  for (const auto& item : items_) {
    if (item.phase != Phase::moving) continue;
    const auto parts = item.parts();
    const auto to = places_of(item.row);
    for (std::size_t i = 0; i < std::min(parts.size(), to.size()); ++i) {
      if (targets_.lists(to[i], item.job.name)) continue;
      for (auto& device : result) {
        if (device.address() != to[i]) continue;
        device.free_bytes -= std::min(device.free_bytes, parts[i].state_bytes);
        ++device.jobs;
      }
    }
  }
  return result;
}

PlacementReason Drain::unanswered() const {
  return {fmt::format("{}", fmt::join(targets_.problems(), "; ")), 0, {}};
}

void Drain::start_waiting() {
  const auto moving = count(Phase::moving);
  if (moving >= options_.parallel || count(Phase::waiting) == 0) return;
  if (!placement_is_old_ && Clock::now() - placed_at_ < kPlaceAgain) return;
  std::vector<Item*> waiting;
  for (auto& item : items_) {
    if (item.phase == Phase::waiting) waiting.push_back(&item);
  }
  const auto placement = place_items(waiting, devices());
  placement_is_old_ = false;
  placed_at_ = Clock::now();
  auto free = options_.parallel - moving;
  for (const auto& placed : placement.placed) {
    if (free == 0) {
      placement_is_old_ = true;  // by the time that there is room again
      break;
    }
    start(*waiting[placed.item], placed.to);
    if (waiting[placed.item]->phase == Phase::moving) --free;
  }
  // While something still moves, memory may become free.
  if (count(Phase::moving) > 0 || !placement.placed.empty()) return;
  for (const auto& unplaced : placement.unplaced) {
    auto& item = *waiting[unplaced.item];
    auto reasons = unplaced.reasons;
    if (!targets_.problems().empty()) reasons.push_back(unanswered());
    run_.finish(item, item.row.tries > 0 ? "failed" : "stays",
                item.row.tries > 0
                    ? fmt::format("{}; nowhere else: {}", item.row.note, to_string(reasons))
                    : "fits nowhere: " + to_string(reasons));
  }
}

void Drain::start(Item& item, std::string to) {
  item.row.to = std::move(to);
  if (!run_.begin(item)) return;
  ++item.row.tries;
  auto spec = options_.how.spec();
  spec.job = item.moves();
  spec.to = item.row.to;
  try {
    item.migration = run_.client().call("POST", "/v1/migrations", request_body(spec));
    item.row.migration = name_at(item.migration, "id", validate::is_migration_id, drained());
    item.phase = Phase::moving;
  } catch (const Error& error) {
    // The job has ended or moves already, or the agent is away: the next refresh() shows which.
    if (error.code() == Code::bad_request || error.code() == Code::corrupt) throw;
    item.row.note = error.failure();
    if (!item.ranks.empty() && waits_for_its_job(item)) return;
    if (item.row.tries >= kTriesMax) run_.finish(item, "failed", error.failure());
    placement_is_old_ = true;
  }
}

/// Whether a migration of the job's ranks is under way; one that moves those of the host is taken
/// up.
bool Drain::waits_for_its_job(Item& item) {
  const auto answer = run_.ask("/v1/migrations?running=1");
  for (const auto& one : array_at(answer, "migrations")) {
    const auto* m = one.if_object();
    const bool is_its = m != nullptr && value_at(*m, "world_size") != nullptr &&
                        printable_at(*m, "job").starts_with(item.job.name + "/");
    if (!is_its) continue;
    --item.row.tries;
    if (printable_at(*m, "job") == item.moves()) {
      return take_up(item, name_at(*m, "id", validate::is_migration_id, drained()));
    }
    return true;
  }
  return false;
}

void Drain::follow() {
  for (auto& item : items_) {
    if (item.phase != Phase::moving) continue;
    item.migration = run_.ask("/v1/migrations/" + item.row.migration);
    if (value_at(item.migration, "result") != nullptr) conclude(item);
  }
}

void Drain::conclude(Item& item) {
  const auto& m = item.migration;
  placement_is_old_ = true;
  item.row.strategy = printable_at(m, "strategy");
  item.row.total_time_ms = number_at(object_at(m, "progress"), "total_time_ms");
  item.row.stall_ms = known_amount_at(m, "stall_ms");
  item.row.lost_ms = known_amount_at(m, "lost_ms");
  if (printable_at(m, "result") == "ok") {
    item.row.downtime_ms = number_at(m, "downtime_ms");
    run_.finish(item, "moved", item.row.tries > 1 ? fmt::format("at try {}", item.row.tries) : "");
    return;
  }
  const auto error = http::error_from_json(object_at(m, "error"));
  if (printable_at(m, "result") == "cancelled") {
    run_.finish(item, "cancelled",
                run_.stopped().empty() ? error.failure() : "by the " + run_.stopped());
  } else if (elsewhere_may_help(error.code()) && item.row.tries < kTriesMax &&
             run_.stopped().empty()) {
    retry_elsewhere(item, error);
  } else {
    run_.finish(item, "failed", error.failure());
  }
}

void Drain::retry_elsewhere(Item& item, const Error& error) {
  const bool only_there = error.code() == Code::no_memory || error.code() == Code::refused;
  const auto all = targets_.devices();
  for (const auto& place : blamed_places(error.failure(), places_of(item.row))) {
    for (const auto& device : all) {
      if (!only_there && device.host == place.substr(0, place.rfind('/'))) {
        item.job.avoid.push_back(device.address());
      }
    }
    item.job.avoid.push_back(place);  // an agent that does not answer is not among them
  }
  item.row.note = error.failure();
  item.phase = Phase::waiting;
}

std::size_t Drain::count(Phase phase) const {
  return static_cast<std::size_t>(std::count_if(
      items_.begin(), items_.end(), [&](const Item& item) { return item.phase == phase; }));
}

void Drain::begin_table() {
  std::size_t to_width = 0;
  for (const auto& device : targets_.devices()) {
    to_width = std::max(to_width, device.address().size());
  }
  run_.view().begin(run_.host_name(), items_, to_width);
}

// ---- the loop

Exit Drain::run() {
  run_.cordon();
  refresh();
  begin_table();
  while (true) {
    if (run_.stopped().empty()) start_waiting();
    const bool busy = count(Phase::moving) > 0;
    if (!busy && !run_.stopped().empty()) break;
    if (!busy && count(Phase::waiting) == 0 && arriving_ == 0) {
      refresh();
      if (count(Phase::moving) + count(Phase::waiting) + arriving_ == 0) break;
    }
    run_.view().show_progress(items_);
    const auto next = run_.tick(count(Phase::moving), "migrations");
    if (next == DrainRun::Next::leave) break;
    if (next == DrainRun::Next::stop) {
      for (auto& item : items_) run_.stop(item);
    }
    follow();
    refresh();
  }
  run_.view().clear_progress();
  for (auto& item : items_) {
    if (item.phase == Phase::stuck) run_.finish(item, "stays", item.job.immovable_reason);
    if (item.phase == Phase::waiting) run_.finish(item, "not-started", "by the " + run_.stopped());
    if (item.phase == Phase::moving) run_.leave(item);
  }
  return run_.end(items_);
}

}  // namespace cardswap::cli
