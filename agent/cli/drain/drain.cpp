#include "agent/cli/drain/drain.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "agent/base/units.h"
#include "agent/base/validate.h"
#include "agent/cli/drain/drain_answers.h"
#include "agent/cli/drain/drain_calls.h"
#include "agent/cli/text/fields.h"
#include "agent/handover/base/migration_body.h"
#include "agent/http/agent_address.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kTick{150};
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
    : context_(context),
      options_(std::move(options)),
      drained_(http::parse_agent_address("drain", options_.host).agent),
      host_name_(printable_at(client().call("GET", "/v1/version"), "host")),
      deadline_(Clock::time_point::max()),
      targets_(drained_, options_.to, context.credentials),
      view_(context, options_.dry_run),
      rows_(options_.hook, drained_.text(), view_) {
  if (!validate::is_device_or_host(host_name_)) host_name_ = drained_.text();
  const auto limit = parse_duration("--deadline", options_.deadline);
  if (limit.count() > 0) deadline_ = Clock::now() + limit;
  for (const auto& problem : targets_.problems()) {
    if (!context_.quiet) std::cerr << "cardswap: " << problem << "\n";
  }
}

json::object Drain::ask(const std::string& path) {
  return call_drained(client(), interrupts_, {.path = path});
}

// ---- the jobs of the host

void Drain::note_job(Item& item, const json::object& job) {
  auto& placed = item.job;
  placed.name = name_at(job, "name", validate::is_job_name, drained_);
  placed.host = drained_.text();
  placed.device = name_at(job, "device", validate::is_device_or_host, drained_);
  placed.kind = placed.device.substr(0, placed.device.find(':'));
  placed.state_bytes = number_at<std::uint64_t>(job, "state_bytes");
  placed.movable = flag_at(job, "attached") && placed.state_bytes > 0;
  placed.immovable_reason = flag_at(job, "attached") ? "it has not passed its first step yet"
                                                     : "no Cardswap runtime is attached to it";
  item.row.job = placed.name;
  item.row.from = host_name_ + "/" + placed.device;
  item.pid = number_at<std::int64_t>(job, "pid");
}

bool Drain::take_up(Item& item, const std::string& migration) {
  json::object found;
  try {
    found = ask("/v1/migrations/" + migration);
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
  const auto answer = ask("/v1/jobs");
  arriving_ = 0;
  std::vector<std::string> live;
  for (const auto& job : listed_jobs(answer, drained_)) {
    const auto state = printable_at(job, "state");
    if (state == "standby") ++arriving_;
    if (!is_training(job)) continue;
    const auto name = name_at(job, "name", validate::is_job_name, drained_);
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
      take_up(*item, name_at(job, "migration", validate::is_migration_id, drained_));
    }
  }
  for (auto& item : items_) {
    if (item.phase != Phase::waiting && item.phase != Phase::stuck) continue;
    if (std::find(live.begin(), live.end(), item.job.name) == live.end()) {
      rows_.finish(item, "ended", "it ended by itself");
    }
  }
}

// ---- moving

/// The targets' devices, without the memory that migrations will take of which the targets do not
/// know yet.
std::vector<PlacementDevice> Drain::devices() {
  auto result = targets_.devices();
  for (const auto& item : items_) {
    if (item.phase != Phase::moving || targets_.lists(item.row.to, item.job.name)) continue;
    for (auto& device : result) {
      if (device.address() != item.row.to) continue;
      device.free_bytes -= std::min(device.free_bytes, item.job.state_bytes);
      ++device.jobs;
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
  std::vector<PlacementJob> jobs;
  for (auto& item : items_) {
    if (item.phase != Phase::waiting) continue;
    waiting.push_back(&item);
    jobs.push_back(item.job);
  }
  const auto found = devices();
  const auto placement = place(jobs, found);
  placement_is_old_ = false;
  placed_at_ = Clock::now();
  auto free = options_.parallel - moving;
  for (const auto& assignment : placement.assigned) {
    if (free == 0) {
      placement_is_old_ = true;  // by the time that there is room again
      break;
    }
    start(*waiting[assignment.job], found[assignment.device]);
    if (waiting[assignment.job]->phase == Phase::moving) --free;
  }
  // While something still moves, memory may become free.
  if (count(Phase::moving) > 0 || !placement.assigned.empty()) return;
  for (const auto& unplaced : placement.unplaced) {
    auto& item = *waiting[unplaced.job];
    auto reasons = unplaced.reasons;
    if (!targets_.problems().empty()) reasons.push_back(unanswered());
    rows_.finish(item, item.row.tries > 0 ? "failed" : "stays",
                 item.row.tries > 0
                     ? fmt::format("{}; nowhere else: {}", item.row.note, to_string(reasons))
                     : "fits nowhere: " + to_string(reasons));
  }
}

void Drain::start(Item& item, const PlacementDevice& device) {
  item.row.to = device.address();
  if (!item.hooked) {
    item.hooked = true;
    if (const auto failed = rows_.run_hook(item, "before"); !failed.empty()) {
      item.hooked = false;  // no `after` for what never began
      rows_.finish(item, "skipped", "hook before it: " + failed);
      return;
    }
  }
  ++item.row.tries;
  auto spec = options_.how.spec();
  spec.job = item.job.name;
  spec.to = item.row.to;
  try {
    item.migration = client().call("POST", "/v1/migrations", request_body(spec));
    item.row.migration = name_at(item.migration, "id", validate::is_migration_id, drained_);
    item.phase = Phase::moving;
  } catch (const Error& error) {
    // The job has ended or moves already, or the agent is away: the next refresh() shows which.
    if (error.code() == Code::bad_request || error.code() == Code::corrupt) throw;
    item.row.note = error.failure();
    if (item.row.tries >= kTriesMax) rows_.finish(item, "failed", error.failure());
    placement_is_old_ = true;
  }
}

void Drain::follow() {
  for (auto& item : items_) {
    if (item.phase != Phase::moving) continue;
    item.migration = ask("/v1/migrations/" + item.row.migration);
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
    rows_.finish(item, "moved", item.row.tries > 1 ? fmt::format("at try {}", item.row.tries) : "");
    return;
  }
  const auto error = http::error_from_json(object_at(m, "error"));
  if (printable_at(m, "result") == "cancelled") {
    rows_.finish(item, "cancelled", stopped_.empty() ? error.failure() : "by the " + stopped_);
  } else if (elsewhere_may_help(error.code()) && item.row.tries < kTriesMax && stopped_.empty()) {
    retry_elsewhere(item, error);
  } else {
    rows_.finish(item, "failed", error.failure());
  }
}

void Drain::retry_elsewhere(Item& item, const Error& error) {
  const bool only_there = error.code() == Code::no_memory || error.code() == Code::refused;
  const auto slash = item.row.to.rfind('/');
  for (const auto& device : targets_.devices()) {
    if (device.address() == item.row.to ||
        (!only_there && device.host == item.row.to.substr(0, slash))) {
      item.job.avoid.push_back(device.address());
    }
  }
  // An agent that does not answer is not among devices().
  item.job.avoid.push_back(item.row.to);
  item.row.note = error.failure();
  item.phase = Phase::waiting;
}

void Drain::stop(const std::string& why) {
  stopped_ = why;
  for (auto& item : items_) {
    if (item.phase == Phase::waiting) rows_.finish(item, "not-started", "by the " + why);
    if (item.phase != Phase::moving) continue;
    try {
      client().call("POST", "/v1/migrations/" + item.row.migration + "/cancel");
    } catch (const Error& error) {
      // It is committed and goes on; run() waits for its end.
      view_.clear_progress();
      std::cerr << "cardswap: " << error.failure() << "\n";
    }
  }
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
  view_.begin(host_name_, items_, to_width);
}

Exit Drain::finish() {
  return view_.end({options_.host, drained_.text(), host_name_}, items_, stopped_);
}

// ---- the loop

Exit Drain::run() {
  cordon_host(client(), ask("/v1/cordon"), options_.reason);
  refresh();
  begin_table();
  while (true) {
    if (stopped_.empty()) start_waiting();
    const bool busy = count(Phase::moving) > 0;
    if (!busy && !stopped_.empty()) break;
    if (!busy && count(Phase::waiting) == 0 && arriving_ == 0) {
      refresh();
      if (count(Phase::moving) + count(Phase::waiting) + arriving_ == 0) break;
    }
    view_.show_progress(items_);
    if (interrupts_.has_come(kTick)) {
      view_.clear_progress();
      if (!stopped_.empty()) break;  // the second time: leave them to the agents
      if (interrupts_.confirm(fmt::format("Stop the drain of {} and cancel {} migrations?",
                                          drained_.text(), count(Phase::moving)))) {
        stop("interrupt");
      }
    }
    if (stopped_.empty() && Clock::now() >= deadline_) stop("deadline");
    follow();
    refresh();
  }
  view_.clear_progress();
  for (auto& item : items_) {
    if (item.phase == Phase::stuck) rows_.finish(item, "stays", item.job.immovable_reason);
    if (item.phase == Phase::waiting) rows_.finish(item, "not-started", "by the " + stopped_);
    if (item.phase != Phase::moving) continue;
    item.hooked = false;
    rows_.finish(item, "under-way", "cardswap status " + item.row.migration);
  }
  return finish();
}

}  // namespace cardswap::cli
