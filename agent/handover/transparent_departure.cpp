// The source of a job whose process CRIU moves: from equal digests of what was sent ahead to the
// process at the target, and back from any point of it.

#include <fmt/format.h>
#include <signal.h>

#include "agent/criu/departure.h"
#include "agent/criu/meeting.h"
#include "agent/handover/answers.h"
#include "agent/handover/migrations.h"
#include "agent/jobs/members.h"
#include "agent/process/child.h"
#include "agent/process/process_tree.h"
#include "migrator/core/ms_since.h"

namespace cardswap {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr seconds kDepartMax{30};
constexpr std::uint64_t kReadRateMin = 200'000'000;  // bytes a second, digesting
constexpr milliseconds kContinueEvery{50};
constexpr seconds kContinueMax{120};  // CRIU's own limits are shorter
constexpr seconds kKeeperLeaves{30};

}  // namespace

/// `wanted` as it was asked for, "auto" included.
void Migrations::choose_arrival(MigrationSpec& spec, const Job& job) {
  if (spec.arrive == Arrival::automatic) {
    const bool by_criu = job.spec.arrive == to_string(Arrival::criu);
    // What a job's program has forgotten is asked of a standby, however else it moves.
    spec.arrive = by_criu && spec.rehearse != Rehearsal::only ? Arrival::criu : Arrival::standby;
  }
  if (spec.arrive != Arrival::criu) return;
  if (spec.strategy == Strategy::replay) {
    throw Error(Code::bad_request, "a process that CRIU moves has nothing there to replay with",
                "use --strategy rounds, stop-copy or auto");
  }
  if (spec.strategy == Strategy::automatic) spec.strategy = Strategy::rounds;
}

/// Why its process has to stay, and what it needs where it goes.
asio::awaitable<criu::Examined> Migrations::examine(const Instance& source) {
  const auto instance = source.id;
  const auto root = source.process;
  co_await criu_.look();
  const auto gpus = co_await criu_.cuda().examine(root);
  const auto still = [&] {
    const auto* now = jobs_.by_instance(instance);
    if (now == nullptr) throw Error(Code::source_lost, "the job is gone");
    return now;
  };
  const auto* now = still();
  auto examined = co_await criu::examine(now->process, now->log_path, hub_.socket_inode(*now),
                                         criu_.tool(), gpus);
  now = still();
  const auto members = members_of(Jobs::family_of(*now));
  for (auto& reason : left_behind(members, now->process)) {
    examined.reasons.push_back(std::move(reason));
  }
  if (!gpus.saved.empty()) {
    const auto device = jobs_.device(now->device);
    if (device.kind == "cuda" && !device.uuid.empty()) {
      examined.needs.gpus.push_back({device.uuid, device.model});
    } else {
      examined.reasons.push_back(fmt::format(
          "job {} has CUDA state, and its device {} is no GPU that NVML knows: start it on that",
          now->name(), device.name));
    }
  }
  if (now->relocatable_bytes == 0) {
    examined.reasons.push_back(fmt::format(
        "nothing that job {} tracks can go ahead of its process: it tracks no tensors and no "
        "memory that Cardswap allocated",
        now->name()));
  }
  co_return examined;
}

/// While the job still runs: what would else be time of its downtime.
asio::awaitable<void> Migrations::prepare_departure(Migration& m, Transfer& transfer) {
  const auto* source = jobs_.by_instance(transfer.instance);
  const auto& standby = *transfer.target.status;
  criu::Departure::Place place;
  place.host = parse_destination(transfer.to).host;
  if (!standby.image.host.empty()) place.host = standby.image.host;
  place.port = standby.image.port;
  place.token = standby.image.token;
  place.key = standby.image.key;
  if (place.port == 0 || (m.spec.encrypt && place.key.empty())) {
    throw Error(Code::refused, fmt::format("the agent of {} takes no process images", transfer.to),
                "run the same Cardswap release on both hosts");
  }
  auto& departure = departures_[&transfer];
  departure = std::make_unique<criu::Departure>(context_, criu_.tool().path,
                                                config_.job_dir(m.spec.job), criu_.hooks());
  const auto user = source->job().spec.user;
  criu::open_meeting(config_, m.id, criu::Meeting::keeper, user);
  co_await departure->prepare(std::move(place), source->process, user,
                              criu::meeting_socket(config_, m.id, criu::Meeting::keeper).string());
  transfer.keeper = departure->keeper();
  tasks_.spawn("reap the keeper of " + m.id, reaped(transfer.keeper));
}

/// What `verifying` consists of here. It can be held like a state.
asio::awaitable<void> Migrations::enter_phase(Migration& m, Transfer& transfer, const char* phase,
                                              Deadline deadline) {
  transfer.stats.phase = phase;
  sample(m, transfer);
  bump(m);
  spdlog::info("job {} migration {}: {}", m.spec.job, m.id, phase);
  if (m.hold_at != phase) co_return;
  m.held = true;
  bump(m);
  while (!m.proceed) {
    check(m, deadline);
    co_await changed_.wait_until(deadline);
  }
  m.held = false;
}

bool Migrations::is_phase(std::string_view text) {
  return text == "departing" || text == "dumping" || text == "shipping" || text == "restoring";
}

/// The process is at the target, and waits there for the grant, when this returns and the target
/// says that it is verified.
asio::awaitable<void> Migrations::depart(Migration& m, Transfer& transfer, Deadline deadline) {
  auto& departure = *departures_.at(&transfer);
  const auto frozen = Clock::now();
  co_await enter_phase(m, transfer, "departing", deadline);
  const auto* source = jobs_.by_instance(transfer.instance);
  const auto socket = criu::meeting_socket(config_, m.id, criu::Meeting::keeper).string();
  const auto keeper = static_cast<std::uint64_t>(transfer.keeper.pid);
  if (source == nullptr || !hub_.send(*source, channel::Depart{m.id, socket, keeper})) {
    throw Error(Code::source_lost, fmt::format("job {} is not attached any more", m.spec.job));
  }
  const auto until = std::min(deadline, Clock::now() + time_to_read(*source, kDepartMax));
  const auto root = source->process;
  const auto log = source->log_path;
  while (!transfer.departed) {
    check(m, until);
    co_await changed_.wait_until(until);
  }
  auto& move = transfer.process;
  move.freeze_ms = ms_since(transfer.frozen_time.value_or(frozen));
  co_await enter_phase(m, transfer, "dumping", deadline);
  const auto dump_began = Clock::now();
  co_await departure.dump(root, transfer.departed->socket_inode, log);
  move.driver_suspend_ms = departure.driver_suspend_ms();
  move.dump_ms = ms_since(dump_began) - move.driver_suspend_ms;
  move.image_bytes = departure.image_bytes();
  check(m, deadline);
  co_await enter_phase(m, transfer, "shipping", deadline);
  const auto ship_began = Clock::now();
  std::optional<Error> failed;
  try {
    co_await departure.ship(m.spec.bandwidth);
  } catch (...) {
    failed = error_of(std::current_exception());
  }
  check(m, deadline);  // what closed the connection, if it was this side
  if (failed) throw Error(*failed);
  move.ship_ms = ms_since(ship_began);
  co_await enter_phase(m, transfer, "restoring", deadline);
}

std::chrono::seconds Migrations::time_to_read(const Instance& source, seconds at_least) {
  return at_least + seconds(source.state_bytes / kReadRateMin);
}

void Migrations::note_restored(Transfer& transfer, const TargetStatus& target) {
  transfer.process.restore_ms = target.restore_ms;
  transfer.process.driver_resume_ms = target.driver_resume_ms;
  transfer.process.verify_ms = target.verify_ms;
}

/// Whatever CRIU still does to it, the process goes on as soon as that is over; then its driver
/// gives its GPUs back, which it does on a thread of the process itself and so not to a stopped
/// one. Until then its CUDA calls wait.
asio::awaitable<void> Migrations::continue_stopped(Migration& m, Transfer& transfer,
                                                   std::shared_ptr<void>) {
  for (const auto until = Clock::now() + kContinueMax; Clock::now() < until;) {
    const auto* source = jobs_.by_instance(transfer.instance);
    if (source == nullptr || (transfer.released && transfer.gpus_are_back)) break;
    if (const auto* next = running_for(*source); next != nullptr && next != &m) break;
    const auto root = source->process;
    if (!source->live()) {
      criu_.hooks().ended(root);
      break;
    }
    cardswap::continue_stopped(root);
    if (!transfer.gpus_are_back && !is_traced(root)) {
      co_await criu_.look();
      co_await criu_.hooks().undo(root);
      transfer.gpus_are_back = true;
      changed_.notify();
      continue;
    }
    co_await changed_.wait_until(Clock::now() + kContinueEvery);
  }
  transfer.continuing = false;
  changed_.notify();
}

/// Of moves that were over when a former agent ended: what they did to a driver's state was not.
asio::awaitable<void> Migrations::restore_gpu_state(ProcessId root) {
  co_await criu_.look();
  cardswap::continue_stopped(root);
  co_await criu_.hooks().undo(root);
}

/// The move was given up; the job goes on here.
asio::awaitable<void> Migrations::end_departure(Migration& m) {
  for (const auto& transfer : m.transfers) {
    departures_.erase(&transfer);
    if (transfer.keeper.pid != 0) co_await dismiss_keeper(m, transfer);
    if (!is_alive(transfer.keeper)) criu::close_meeting(config_, m.id, criu::Meeting::keeper);
    while (transfer.continuing && !transfer.gpus_are_back) {
      co_await changed_.wait_until(Clock::now() + seconds(1));
    }
  }
}

/// Its memory is with the job again, or the job is gone.
asio::awaitable<void> Migrations::dismiss_keeper(const Migration& m, const Transfer& transfer) {
  const auto until = Clock::now() + kKeeperLeaves;
  while (is_alive(transfer.keeper) && Clock::now() < until) {
    const auto* source = jobs_.by_instance(transfer.instance);
    if (transfer.released || source == nullptr || source->ended_at_ms != 0) {
      ::kill(transfer.keeper.pid, SIGTERM);
      criu::close_meeting(config_, m.id, criu::Meeting::keeper);
      co_return;
    }
    co_await changed_.wait_until(Clock::now() + kContinueEvery);
  }
}

/// Its memory is nowhere from where it comes back as it was: the process stands for good. It is
/// ended, so that whoever waits for the job learns of it, and its restart rule holds.
void Migrations::lose_job(const Instance& source, const channel::Failed& said) {
  const auto m = std::ranges::find(migrations_, said.migration, &Migration::id);
  auto* transfer = m != migrations_.end() ? m->of(source.id) : nullptr;
  if (transfer == nullptr || transfer->keeper.pid == 0 || handover::is_committed(m->state())) {
    return;
  }
  transfer->lost = fmt::format("migration {} was given up, and {}", m->id, said.failure);
  const auto text =
      fmt::format("job {} on {} is lost: {}", source.name(), config_.host_name, transfer->lost);
  spdlog::error("{}", text);
  if (tell_) tell_({"job_lost", text, source.name(), source.device, m->id});
  note_failure(*m, Error(Code::source_lost, text, said.hint));
  if (m->error) {
    m->error =
        Error(m->error->code(), fmt::format("{}; then {}", m->error->failure(), text),
              "the job ended here: start it again, from its last checkpoint where it has one");
  }
  bump(*m);
  if (handover::is_over(m->state()))
    tasks_.spawn("record the end of " + m->id, record_end(*m, m->in_use));
  signal_group(source.process, SIGKILL);
  if (source.init.pid != 0 && is_alive(source.init)) ::kill(source.init.pid, SIGKILL);
}

/// The stopped original of a job that is elsewhere for good.
void Migrations::kill_source_process(const Migration& m, const Transfer& transfer,
                                     const Instance& source) {
  kill_tree(source.process);  // its GPUs were let go before it was dumped
  criu_.hooks().ended(source.process);
  if (source.init.pid != 0 && is_alive(source.init)) ::kill(source.init.pid, SIGKILL);
  if (is_alive(transfer.keeper)) ::kill(transfer.keeper.pid, SIGTERM);
  criu::close_meeting(config_, m.id, criu::Meeting::keeper);
}

}  // namespace cardswap
