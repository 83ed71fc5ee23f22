#include "agent/cli/drain/drain_to_stores.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "agent/base/units.h"
#include "agent/base/validate.h"
#include "agent/cli/drain/drain_answers.h"
#include "agent/cli/text/fields.h"
#include "agent/handover/base/migration_body.h"
#include "agent/http/agent_address.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using Phase = DrainItem::Phase;

constexpr seconds kTryAgain{1};
constexpr seconds kStopGrace{10};
constexpr std::size_t kAsksMax = 3;

/// The words that start the job again, for whoever reads the table.
std::string restore_command(const std::string& job, const std::string& step,
                            const std::string& store) {
  return fmt::format("cardswap restore {}@{} --store {}", job, step, store);
}

}  // namespace

DrainToStores::DrainToStores(const Context& context, DrainOptions options)
    : options_(std::move(options)), run_(context, options_) {
  read_jobs();
  refuse_unprotected();
}

void DrainToStores::read_jobs() {
  for (const auto& job : listed_jobs(run_.ask("/v1/jobs"), run_.drained())) {
    if (!is_training(job) || flag_at(job, "sends_snapshot")) continue;
    const auto name = name_at(job, "name", validate::is_job_name, run_.drained());
    auto& known = jobs_.emplace_back(Job{{}, {}, {}, SnapshotTurn(name), {}, 0});
    auto& placed = known.item.job;
    placed.name = name;
    placed.device = name_at(job, "device", validate::is_device_or_host, run_.drained());
    known.store = printable_at(object_at(job, "protection"), "store");
    known.item.row.job = placed.name;
    known.item.row.from = run_.host_name() + "/" + placed.device;
    known.item.row.to = known.store;
  }
}

/// Before anything is touched: a drain that leaves some of the jobs empties no host.
void DrainToStores::refuse_unprotected() const {
  std::vector<std::string> names;
  for (const auto& job : jobs_) {
    if (job.store.empty()) names.push_back(job.item.job.name);
  }
  if (names.empty()) return;
  throw Error(Code::refused,
              fmt::format("drain {}: no store is known for {}", run_.drained().text(),
                          fmt::join(names, ", ")),
              fmt::format("`cardswap protect {} --every 10m --to file:/FOLDER` gives it one; or "
                          "stop what need not be kept with `cardswap stop`",
                          names.front()));
}

void DrainToStores::start_waiting() {
  auto running = count(Phase::moving);
  for (auto& job : jobs_) {
    if (running >= options_.parallel) return;
    if (job.item.phase != Phase::waiting || Clock::now() < job.not_before) continue;
    if (!has_turn(job)) continue;
    start(job);
    running += job.item.phase == Phase::moving ? 1 : 0;
  }
}

void DrainToStores::start(Job& job) {
  auto& item = job.item;
  if (!run_.begin(item)) return;
  MigrationSpec spec;
  spec.job = item.job.name;
  spec.store = job.store;
  spec.max_stall_ms = 0;
  try {
    item.migration = run_.client().call("POST", "/v1/migrations", request_body(spec));
    item.row.migration = name_at(item.migration, "id", validate::is_migration_id, run_.drained());
    item.phase = Phase::moving;
    ++item.row.tries;
  } catch (const Error& error) {
    if (error.code() == Code::not_found) {
      return run_.finish(item, "ended", "it ended by itself");
    }
    const bool is_silent = http::is_silence(error.code());
    if (is_silent && ++job.asks < kAsksMax) {  // it restarts: once it is back it is asked again
      (void)run_.ask("/v1/version");
      job.not_before = Clock::now() + kTryAgain;
      return;
    }
    if (error.code() != Code::conflict) return run_.finish(item, "failed", error.failure());
    await_turn(job, error);
  }
}

/// A snapshot of its protection may be under way, or a move: that ends first.
void DrainToStores::await_turn(Job& job, const Error& refusal) {
  job.not_before = Clock::now() + kTryAgain;
  try {
    const auto other = job.turn.waits_for(refusal, run_.ask("/v1/migrations?running=1"));
    job.waits_for = other ? text_at(*other, "id") : "";
  } catch (const Error& error) {
    run_.finish(job.item, "failed", error.failure());
  }
}

/// Whether what its snapshot waits for has ended, or is unknown to the agent by now.
bool DrainToStores::has_turn(Job& job) {
  if (job.waits_for.empty()) return true;
  try {
    const auto other = run_.ask("/v1/migrations/" + job.waits_for);
    if (value_at(other, "result") == nullptr) {
      job.not_before = Clock::now() + kTryAgain;
      return false;
    }
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
  }
  job.waits_for.clear();
  return true;
}

void DrainToStores::follow() {
  for (auto& job : jobs_) {
    if (job.item.phase != Phase::moving) continue;
    job.item.migration = run_.ask("/v1/migrations/" + job.item.row.migration);
    if (value_at(job.item.migration, "result") != nullptr) conclude(job);
  }
}

void DrainToStores::conclude(Job& job) {
  const auto& m = job.item.migration;
  job.item.row.strategy = printable_at(m, "strategy");
  job.item.row.total_time_ms = number_at(object_at(m, "progress"), "total_time_ms");
  const auto result = printable_at(m, "result");
  if (result == "stored") return stop_job(job);
  const auto error = http::error_from_json(object_at(m, "error"));
  if (result == "cancelled" && !run_.stopped().empty()) {
    run_.finish(job.item, "cancelled", "by the " + run_.stopped());
  } else {
    run_.finish(job.item, "failed", "it trains on: " + error.failure());
  }
}

void DrainToStores::stop_job(Job& job) {
  const auto step = text(job.item.migration, "migrated_at_step");
  const auto command = restore_command(job.item.job.name, step, job.store);
  try {
    const auto stopped = run_.call(
        {.method = "POST",
         .path = fmt::format("/v1/jobs/{}/stop", http::percent_encoded(job.item.job.name)),
         .body = json::object{{"grace_ms", milliseconds(kStopGrace).count()}, {"force", false}},
         .timeout = kStopGrace + seconds(30)});
    const auto last = number_at<std::uint64_t>(stopped, "step");
    const auto kept = number_at<std::uint64_t>(job.item.migration, "migrated_at_step");
    run_.finish(
        job.item, "stored",
        last > kept ? fmt::format("{} (takes {} steps again)", command, last - kept) : command);
  } catch (const Error& error) {
    run_.finish(
        job.item, "failed",
        fmt::format("step {} is in its store, and it trains on: {}", step, error.failure()));
  }
}

std::size_t DrainToStores::count(Phase phase) const {
  return static_cast<std::size_t>(std::count_if(
      jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.item.phase == phase; }));
}

std::list<DrainItem> DrainToStores::items() const {
  std::list<DrainItem> all;
  for (const auto& job : jobs_) all.push_back(job.item);
  return all;
}

void DrainToStores::begin_table() {
  std::size_t to_width = 0;
  for (const auto& job : jobs_) to_width = std::max(to_width, job.store.size());
  run_.view().begin(run_.host_name(), items(), to_width);
}

Exit DrainToStores::run() {
  run_.cordon();
  begin_table();
  while (count(Phase::waiting) + count(Phase::moving) > 0) {
    if (run_.stopped().empty()) start_waiting();
    run_.view().show_progress(items());
    const auto next = run_.tick(count(Phase::moving), "snapshots");
    if (next == DrainRun::Next::leave) break;
    if (next == DrainRun::Next::stop) {
      for (auto& job : jobs_) run_.stop(job.item);
    }
    follow();
  }
  run_.view().clear_progress();
  for (auto& job : jobs_) {
    if (job.item.phase == Phase::moving) run_.leave(job.item);
  }
  return run_.end(items());
}

Exit DrainToStores::dry_run() {
  begin_table();
  for (auto& job : jobs_) {
    run_.finish(job.item, "fits",
                "then " + restore_command(job.item.job.name, "latest", job.store));
  }
  return run_.end(items());
}

}  // namespace cardswap::cli
