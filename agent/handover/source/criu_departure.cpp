#include "agent/handover/source/criu_departure.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "agent/criu/criu_socket_dir.h"
#include "agent/process/child.h"
#include "agent/process/process_tree.h"
#include "migrator/base/ms_since.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kDepartMax{30};
constexpr seconds kRestoreMax{60};                   // digests included
constexpr std::uint64_t kReadRateMin = 200'000'000;  // bytes a second, digesting
constexpr milliseconds kContinueEvery{50};
constexpr milliseconds kContinueAfterError{1000};
constexpr seconds kContinueMax{120};  // CRIU's own limits are shorter
constexpr seconds kCustodianLeaves{30};

/// How long what has to read all of a job's state may take, `at_least` included.
seconds time_to_read(const Instance& source, seconds at_least) {
  return at_least + seconds(source.record().state_bytes / kReadRateMin);
}

void emit_gpu_state_held(const HandoverContext& context, const Instance* source, const Error& why,
                         const std::string& migration) {
  context.events.emit({.kind = "gpu_state_held",
                       .text = fmt::format("{}; {}", why.failure(), why.hint()),
                       .job = source == nullptr ? std::string() : source->name(),
                       .device = source == nullptr ? std::string() : source->device(),
                       .migration = migration});
}

}  // namespace

/// One try to have the process go on: it ends however that does, and another may follow.
class CriuDeparture::ContinuationScope {
 public:
  explicit ContinuationScope(CriuDeparture& of) : of_(of) {}
  ContinuationScope(const ContinuationScope&) = delete;
  ContinuationScope& operator=(const ContinuationScope&) = delete;
  ~ContinuationScope() {
    if (!of_.has_gpus_back()) of_.continuation_.step(Continuation::none, of_.migration_.id());
    of_.scope_.list.changed(of_.migration_).notify();
  }

 private:
  CriuDeparture& of_;
};

CriuDeparture::CriuDeparture(const MigrationContext& scope, Transfer& transfer)
    : scope_(scope), migration_(scope.migration), transfer_(transfer) {}

asio::awaitable<void> CriuDeparture::prepare() {
  const auto& source = scope_.context.jobs.at(transfer_.instance());
  const auto& standby = *transfer_.target.status;
  criu::ProcessDeparture::ImageEndpoint endpoint;
  endpoint.host = parse_destination(transfer_.record().to).host;
  if (!standby.image.host.empty()) endpoint.host = standby.image.host;
  endpoint.port = standby.image.port;
  endpoint.token = standby.image.token;
  endpoint.key = standby.image.key;
  if (endpoint.port == 0 || (migration_.spec().encrypt && endpoint.key.empty())) {
    throw Error(Code::refused,
                fmt::format("the agent of {} takes no process images", transfer_.record().to),
                "run the same Cardswap release on both hosts");
  }
  const auto& config = scope_.context.config;
  departure_ = std::make_unique<criu::ProcessDeparture>(
      scope_.context.io, scope_.context.criu.tool().path, config.job_dir(migration_.spec().job),
      scope_.context.criu.callbacks());
  const auto user = source.job().spec.user;
  criu::make_criu_socket_dir(config, migration_.id(), criu::CriuSocketPeer::custodian, user);
  co_await departure_->prepare(
      std::move(endpoint), source.program(), user,
      criu::criu_socket(config, migration_.id(), criu::CriuSocketPeer::custodian).string());
  scope_.list.note(transfer_,
                   [this](TransferRecord& record) { record.custodian = departure_->custodian(); });
  scope_.context.tasks.spawn("reap the custodian of " + migration_.id(),
                             reap(transfer_.record().custodian));
}

asio::awaitable<void> CriuDeparture::depart() {
  auto& departure = *departure_;
  const auto frozen = Clock::now();
  co_await enter_phase(CriuPhase::departing);
  const auto* source = scope_.context.jobs.by_instance(transfer_.instance());
  const auto socket =
      criu::criu_socket(scope_.context.config, migration_.id(), criu::CriuSocketPeer::custodian)
          .string();
  const auto custodian = static_cast<std::uint64_t>(transfer_.record().custodian.pid);
  if (source == nullptr ||
      !scope_.context.hub.send(*source, channel::Depart{migration_.id(), socket, custodian})) {
    throw Error(Code::source_lost,
                fmt::format("job {} is not attached any more", migration_.spec().job));
  }
  const auto until =
      std::min(scope_.run.deadline(), Clock::now() + time_to_read(*source, kDepartMax));
  const auto program = source->program();
  const auto log = source->record().log_path;
  while (!has_reached(transfer_.source_progress, SourceProgress::departed)) {
    scope_.run.check(until);
    co_await scope_.list.changed(migration_).wait_until(until);
  }
  const auto note = [this](auto change) {
    scope_.list.note(transfer_, [&](TransferRecord& record) { change(record.process); });
  };
  note([&](CriuTimes& move) { move.freeze_ms = ms_since(transfer_.frozen_at.value_or(frozen)); });
  co_await enter_phase(CriuPhase::dumping);
  const auto dump_began = Clock::now();
  co_await departure.dump(program, transfer_.departed->socket_inode, log);
  note([&](CriuTimes& move) {
    move.driver_suspend_ms = departure.driver_suspend_ms();
    move.dump_ms = ms_since(dump_began) - move.driver_suspend_ms;
    move.image_bytes = departure.image_bytes();
  });
  scope_.run.check(scope_.run.deadline());
  co_await enter_phase(CriuPhase::shipping);
  const auto ship_began = Clock::now();
  std::optional<Error> failed;
  try {
    co_await departure.ship(migration_.spec().bandwidth);
  } catch (...) {
    failed = error_of(std::current_exception());
  }
  scope_.run.check(scope_.run.deadline());  // what closed the connection, if it was this side
  if (failed) throw Error(*failed);
  note([&](CriuTimes& move) { move.ship_ms = ms_since(ship_began); });
  co_await enter_phase(CriuPhase::restoring);
}

asio::awaitable<void> CriuDeparture::enter_phase(CriuPhase phase) {
  const auto name = to_string(phase);
  scope_.list.note(transfer_,
                   [&](TransferRecord& record) { record.stats.phase = phase_of(phase); });
  scope_.list.add_sample(migration_, transfer_,
                         scope_.context.jobs.by_instance(transfer_.instance()));
  scope_.list.touch(migration_);
  spdlog::info("job {} migration {}: {}", migration_.spec().job, migration_.id(), name);
  co_await scope_.run.wait_at_failpoint(name);
}

MigrationControl::Deadline CriuDeparture::restored_until() const {
  const auto* source = scope_.context.jobs.by_instance(transfer_.instance());
  if (source == nullptr) return scope_.run.deadline();
  return std::min(scope_.run.deadline(), Clock::now() + time_to_read(*source, kRestoreMax));
}

void CriuDeparture::close() {
  if (departure_) departure_->close();
}

void CriuDeparture::continue_source(Instance& source) {
  const bool released = transfer_.source_progress == SourceProgress::released;
  if (transfer_.record().custodian.pid == 0 || released || continuation_ == Continuation::under_way)
    return;
  cardswap::continue_stopped(source.program());
  if (continuation_ == Continuation::gpus_back) return;
  continuation_.step(Continuation::under_way, migration_.id());
  scope_.run.spawn("continue " + migration_.spec().job, continue_stopped());
}

/// Whatever CRIU still does to it, the process goes on as soon as that is over; then its driver
/// gives its GPUs back, which it does on a thread of the process itself and so not to a stopped
/// one. Until then its CUDA calls wait.
asio::awaitable<void> CriuDeparture::continue_stopped() {
  const ContinuationScope ends(*this);
  std::string logged;
  for (const auto until = Clock::now() + kContinueMax; Clock::now() < until;) {
    const auto* source = scope_.context.jobs.by_instance(transfer_.instance());
    if (source == nullptr ||
        (transfer_.source_progress == SourceProgress::released && has_gpus_back()))
      break;
    if (const auto* next = scope_.list.find_running(source->id());
        next != nullptr && next != &migration_)
      break;
    const auto program = source->program();
    if (!source->is_live()) {
      scope_.context.criu.callbacks().ended(program);
      break;
    }
    cardswap::continue_stopped(program);
    auto pause = kContinueEvery;
    if (!has_gpus_back() && !is_traced(program)) {
      try {
        co_await scope_.context.criu.probe();
        if (const auto held = co_await scope_.context.criu.callbacks().undo(program))
          report_held(*held);
        continuation_.step(Continuation::gpus_back, migration_.id());
        scope_.list.changed(migration_).notify();
        continue;
      } catch (...) {  // no descriptor or no process was left, say
        if (scope_.context.tasks.is_stopping()) throw;
        const auto error = error_of(std::current_exception());
        if (std::exchange(logged, error.failure()) != error.failure()) {
          spdlog::error("job {} migration {}: {}; trying again", migration_.spec().job,
                        migration_.id(), error.what());
        }
        pause = kContinueAfterError;
      }
    }
    co_await scope_.list.changed(migration_).wait_until(Clock::now() + pause);
  }
}

/// Whoever reads that the move was given up is not to think that the job trains.
void CriuDeparture::report_held(const Error& why) {
  const auto* source = scope_.context.jobs.by_instance(transfer_.instance());
  emit_gpu_state_held(scope_.context, source, why, migration_.id());
  if (!migration_.record().error) return;
  scope_.list.note(migration_, [&](MigrationNotes& notes) {
    notes.error =
        Error(notes.error->code(),
              fmt::format("{}; then {}", notes.error->failure(), why.failure()), why.hint());
  });
  scope_.list.touch(migration_);
  if (handover::is_over(migration_.state())) {
    scope_.run.spawn("record the end of " + migration_.id(), scope_.list.save_end(migration_.id()));
  }
}

asio::awaitable<void> CriuDeparture::end() {
  forget();
  if (transfer_.record().custodian.pid != 0) co_await dismiss_custodian();
  if (!may_be_alive(transfer_.record().custodian)) {
    criu::remove_criu_socket_dir(scope_.context.config, migration_.id(),
                                 criu::CriuSocketPeer::custodian);
  }
  while (continuation_ == Continuation::under_way) {
    co_await scope_.list.changed(migration_).wait_until(Clock::now() + seconds(1));
  }
}

/// Its memory is with the job again, or the job is gone.
asio::awaitable<void> CriuDeparture::dismiss_custodian() {
  const auto until = Clock::now() + kCustodianLeaves;
  while (may_be_alive(transfer_.record().custodian) && Clock::now() < until) {
    const auto* source = scope_.context.jobs.by_instance(transfer_.instance());
    if (transfer_.source_progress == SourceProgress::released || source == nullptr ||
        source->record().ended_at_ms != 0) {
      signal_process(transfer_.record().custodian, SIGTERM);
      criu::remove_criu_socket_dir(scope_.context.config, migration_.id(),
                                   criu::CriuSocketPeer::custodian);
      co_return;
    }
    co_await scope_.list.changed(migration_).wait_until(Clock::now() + kContinueEvery);
  }
}

void CriuDeparture::kill_source_process(const Instance& source) {
  kill_tree(source.program());  // its GPUs were let go before it was dumped
  scope_.context.criu.callbacks().ended(source.program());
  signal_process(source.record().init, SIGKILL);
  signal_process(transfer_.record().custodian, SIGTERM);
  criu::remove_criu_socket_dir(scope_.context.config, migration_.id(),
                               criu::CriuSocketPeer::custodian);
}

void CriuDeparture::mark_job_lost(const Instance& source, const channel::Failed& said) {
  if (transfer_.record().custodian.pid == 0 || handover::is_committed(migration_.state())) return;
  transfer_.lost = fmt::format("migration {} was given up, and {}", migration_.id(), said.failure);
  const auto text = fmt::format("job {} on {} is lost: {}", source.name(),
                                scope_.context.config.host_name, transfer_.lost);
  spdlog::error("{}", text);
  scope_.context.events.emit({"job_lost", text, source.name(), source.device(), migration_.id()});
  scope_.run.fail(Error(Code::source_lost, text, said.hint));
  if (migration_.record().error) {
    scope_.list.note(migration_, [&](MigrationNotes& notes) {
      notes.error =
          Error(notes.error->code(), fmt::format("{}; then {}", notes.error->failure(), text),
                "the job ended here: start it again, from its last checkpoint where it has one");
    });
  }
  scope_.list.touch(migration_);
  if (handover::is_over(migration_.state())) {
    scope_.run.spawn("record the end of " + migration_.id(), scope_.list.save_end(migration_.id()));
  }
  signal_group(source.program(), SIGKILL);
  signal_process(source.record().init, SIGKILL);
}

asio::awaitable<void> restore_gpu_state(const HandoverContext& context, ProcessId program) {
  co_await context.criu.probe();
  cardswap::continue_stopped(program);
  const auto held = co_await context.criu.callbacks().undo(program);
  if (!held) co_return;
  const auto all = context.jobs.instances();
  const auto source =
      std::ranges::find(all, program, [](const auto* one) { return one->program(); });
  emit_gpu_state_held(context, source == all.end() ? nullptr : *source, *held, {});
}

}  // namespace cardswap
