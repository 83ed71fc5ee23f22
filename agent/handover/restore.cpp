#include "agent/handover/restore.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "agent/base/failure_of.h"
#include "agent/base/units.h"
#include "agent/process/log_tail.h"
#include "agent/process/program_beside.h"
#include "migrator/base/error.h"
#include "migrator/store/refs.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a caller waits for a snapshot to be read.
constexpr std::chrono::minutes kReadMax{30};
constexpr std::chrono::milliseconds kLookEvery{500};

/// It claims the epoch in the store, so that an older copy of the job publishes nothing there.
std::vector<std::string> snapshot_sender_command(const RestoreContext& parts,
                                                 const std::string& store,
                                                 const std::string& manifest,
                                                 const std::string& job_uid, std::uint64_t epoch,
                                                 const LogWay& log) {
  std::vector<std::string> command{program_beside("cardswap-keeper").string(),
                                   "--store",
                                   store,
                                   "--send",
                                   manifest,
                                   "--run",
                                   store::run_of(job_uid),
                                   "--epoch",
                                   std::to_string(epoch),
                                   "--host",
                                   parts.config.host_name};
  if (log.step == 0) return command;
  command.insert(command.end(), {"--log-to", std::to_string(log.step), "--log-branch", log.branch});
  return command;
}

/// Whether the snapshot sender has reported how large the state is.
bool has_size(const Instance& sender) {
  return sender.attached && (sender.reported || sender.record().state_bytes != 0);
}

/// Whether the snapshot sender has read and proven the whole state: only then it tells a step, and
/// there is no snapshot of step 0.
bool holds_state(const Instance& sender) { return sender.record().step != 0; }

/// Waits until `is_far_enough` of the snapshot sender. Throws Error{source_lost} if it has ended,
/// whatever the reason, and Error{timed_out}.
asio::awaitable<void> await_sender(RestoreContext parts, std::string instance,
                                   std::function<bool(const Instance&)> is_far_enough) {
  const auto until = Clock::now() + kReadMax;
  while (true) {
    const auto* sender = parts.jobs.table().by_instance(instance);
    if (sender == nullptr || !sender->is_live()) {
      const auto said = sender != nullptr ? log_tail(sender->record().log_path) : std::string();
      throw Error(Code::source_lost,
                  "the snapshot could not be read" + (said.empty() ? "" : ": " + said),
                  "`cardswap logs` of the job says why; `cardswap verify` names what is damaged");
    }
    if (is_far_enough(*sender)) co_return;
    if (Clock::now() >= until) throw Error(Code::timed_out, "the snapshot was not read in time");
    co_await parts.jobs.table().changed().wait_until(Clock::now() + kLookEvery);
  }
}

/// Waits until the snapshot sender holds the state, or the migration from it is over for another
/// reason. One that is not attached any more is about to end, and to say why.
asio::awaitable<void> await_state(RestoreContext parts, std::string instance,
                                  std::string migration) {
  return await_sender(parts, std::move(instance), [parts, migration](const Instance& sender) {
    if (holds_state(sender)) return true;
    const auto& all = parts.migrations;
    const bool is_over = !all.has(migration) || handover::is_over(all.at(migration).state());
    return is_over && sender.attached;
  });
}

/// Waits for the end of the migration. Unless the job has moved to its device, ends the snapshot
/// sender, so that nothing of the job stays.
asio::awaitable<void> see_to_the_end(RestoreContext parts, std::string migration,
                                     std::string instance) {
  co_await parts.migrations.wait_until_over(migration);
  if (parts.migrations.at(migration).state() == handover::SourceState::completed) co_return;
  (void)co_await parts.jobs.processes().stop(std::move(instance), std::chrono::milliseconds(0));
}

/// The migration from the snapshot sender to the job's program on its device.
MigrationRequest migration_to(const RestoreContext& parts, const std::string& job,
                              const std::string& device) {
  MigrationRequest wanted;
  wanted.spec.job = job;
  wanted.spec.to = fmt::format("{}/{}", parts.config.host_name, device);
  wanted.spec.strategy = Strategy::stop_copy;
  wanted.spec.arrive = ArrivalMode::standby;
  wanted.spec.max_stall_ms = 0;
  wanted.spec.timeout_ms += static_cast<double>(std::chrono::milliseconds(kReadMax).count());
  return wanted;
}

/// Starts the migration from the snapshot sender, so that the job's program starts while the sender
/// reads. Returns its id once the sender holds the state. Throws as await_sender(), once the
/// migration is over: nothing is granted to a program whose sender has not proven every byte.
asio::awaitable<std::string> begin_move(RestoreContext parts, std::string instance,
                                        MigrationRequest wanted) {
  auto prepared = co_await parts.migrations.prepare(std::move(wanted));
  const auto id = parts.migrations.start(std::move(prepared)).id();
  auto state = await_state(parts, instance, id);
  const auto failed = co_await failure_of(parts.tasks, std::move(state));
  if (!failed) co_return id;
  parts.jobs.processes().kill(instance);
  co_await parts.migrations.wait_until_over(id);
  throw Error(*failed);
}

}  // namespace

asio::awaitable<std::string> start_restore(RestoreContext parts, RestoreOrder order) {
  const auto name = order.spec.name;
  if (order.spec.uid.empty()) order.spec.uid = random_hex(16);
  auto sender = snapshot_sender_command(parts, order.store, order.manifest, order.spec.uid,
                                        order.epoch + 1, order.log);
  const auto instance =
      co_await parts.jobs.start_primary(std::move(order.spec), kFromStore, std::move(sender));
  std::optional<Error> failed;
  try {
    co_await await_sender(parts, instance, has_size);
    auto& source = parts.jobs.table().at(instance);
    parts.jobs.table().raise_epoch(source.job(), order.epoch + 1);
    const auto id = co_await begin_move(parts, instance, migration_to(parts, name, order.device));
    parts.tasks.spawn("see to the restore of " + name, see_to_the_end(parts, id, instance));
    co_return id;
  } catch (...) {
    if (parts.tasks.is_stopping()) throw;
    failed = error_of(std::current_exception());
  }
  (void)co_await parts.jobs.processes().stop(instance, std::chrono::milliseconds(0));
  throw Error(*failed);
}

asio::awaitable<std::string> restore_again(RestoreContext parts, RestoreAgainOrder order) {
  const auto& job = parts.jobs.table().at(order.instance).job();
  auto sender =
      snapshot_sender_command(parts, order.store, order.manifest, job.uid(), job.epoch, order.log);
  co_await parts.jobs.processes().start_again(order.instance, kFromStore, std::move(sender));
  std::optional<Error> failed;
  try {
    co_await await_sender(parts, order.instance, has_size);
    co_return co_await begin_move(parts, order.instance,
                                  migration_to(parts, order.job, order.device));
  } catch (...) {
    if (parts.tasks.is_stopping()) throw;
    failed = error_of(std::current_exception());
  }
  parts.jobs.processes().kill(order.instance);
  throw Error(*failed);
}

}  // namespace cardswap
