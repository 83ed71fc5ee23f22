#include "agent/handover/restore_routes.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "agent/base/validate.h"
#include "agent/jobs/user_policy.h"
#include "agent/process/log_tail.h"
#include "agent/process/program_beside.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a caller waits for a snapshot to be read.
constexpr std::chrono::minutes kReadMax{30};
constexpr std::chrono::milliseconds kLookEvery{500};
constexpr std::size_t kIdBytes = 64;

std::vector<std::string> snapshot_sender_command(const std::string& store, const std::string& manifest) {
  return {program_beside("cardswap-keeper").string(), "--store", store, "--give-back", manifest};
}

/// Waits until the stand-in has read the snapshot and has reported its size. Throws Error{corrupt}
/// if it has ended, and Error{timed_out}.
asio::awaitable<void> await_state(RestoreParts parts, std::string instance) {
  const auto until = Clock::now() + kReadMax;
  while (true) {
    const auto* source = parts.jobs.table().by_instance(instance);
    if (source == nullptr || !source->is_live()) {
      const auto said = source != nullptr ? log_tail(source->record().log_path) : std::string();
      throw Error(Code::corrupt,
                  "the snapshot could not be read" + (said.empty() ? "" : ": " + said),
                  "`cardswap logs` of the job says why; `cardswap verify` names what is damaged");
    }
    if (source->attached && (source->reported || source->record().state_bytes != 0)) co_return;
    if (Clock::now() >= until) throw Error(Code::timed_out, "the snapshot was not read in time");
    co_await parts.jobs.table().changed().wait_until(Clock::now() + kLookEvery);
  }
}

/// Waits for the end of the migration. Unless the job has moved to its device, ends the stand-in,
/// so that nothing of the job stays.
asio::awaitable<void> see_to_the_end(RestoreParts parts, std::string migration,
                                     std::string instance) {
  while (!handover::is_over(parts.migrations.at(migration).state())) {
    co_await parts.migrations.changed(parts.migrations.at(migration))
        .wait_until(Clock::now() + kLookEvery);
  }
  if (parts.migrations.at(migration).state() == handover::State::completed) co_return;
  (void)co_await parts.jobs.processes().stop(std::move(instance), std::chrono::milliseconds(0));
}

asio::awaitable<ApiAnswer> restore(RestoreParts parts, ApiRequest request) {
  // No "restart": it would start the program at its step 0 when the stand-in ends.
  request.only({"name", "argv", "cwd", "env", "device", "user", "arrive", "branch", "store",
                "manifest", "epoch"});
  RestoreOrder order;
  order.spec = job_spec_from(request.body);
  order.device = device_from(request.body);
  (void)parts.jobs.devices().at(order.device);
  order.store = request.text("store");
  order.manifest = request.text("manifest");
  validate::check(validate::is_store(order.store), "store", "address of a store");
  validate::check(order.manifest.size() == kIdBytes && validate::is_word(order.manifest),
                  "manifest", "id of a manifest");
  order.spec.restored_from = order.manifest;
  order.epoch = validate::count("epoch", request.number_or("epoch", 0), validate::kEpochMax);
  check_may_run_as(parts.config, order.spec.user, request.caller);
  co_return co_await start_restore(parts, std::move(order));
}

}  // namespace

asio::awaitable<ApiAnswer> start_restore(RestoreParts parts, RestoreOrder order) {
  const auto name = order.spec.name;
  const auto instance = co_await parts.jobs.start_primary(std::move(order.spec), kFromStore,
                                                          snapshot_sender_command(order.store, order.manifest));
  std::optional<Error> failed;
  try {
    co_await await_state(parts, instance);
    auto& source = parts.jobs.table().at(instance);
    parts.jobs.table().raise_epoch(source.job(), order.epoch + 1);
    MigrationRequest wanted;
    wanted.spec.job = name;
    wanted.spec.to = fmt::format("{}/{}", parts.config.host_name, order.device);
    wanted.spec.strategy = Strategy::stop_copy;
    wanted.spec.arrive = Arrival::standby;
    wanted.spec.max_stall_ms = 0;
    auto prepared = co_await parts.migrations.prepared(std::move(wanted));
    const auto& m = parts.migrations.start(std::move(prepared));
    parts.tasks.spawn("see to the restore of " + name, see_to_the_end(parts, m.id(), instance));
    co_return ApiAnswer{202, to_json(m)};
  } catch (...) {
    if (parts.tasks.is_stopping()) throw;
    failed = error_of(std::current_exception());
  }
  (void)co_await parts.jobs.processes().stop(instance, std::chrono::milliseconds(0));
  throw Error(*failed);
}

void add_restore_calls(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                       const Config& config) {
  calls_on(router, RestoreParts{jobs, migrations, tasks, config})("POST", "/v1/restores", restore);
}

}  // namespace cardswap
