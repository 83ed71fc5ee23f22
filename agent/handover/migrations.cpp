#include "agent/handover/migrations.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/handover/answers.h"
#include "agent/handover/retention.h"
#include "agent/jobs/obstacles.h"
#include "migrator/core/layout.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Event;
using handover::Message;
using handover::State;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kTimelinesKept = 200;

/// Without TLS between the agents the key itself is sent in the clear.
void warn_of_plain_key(const Migration& m) {
  const auto to = parse_destination(m.spec.to).host;
  if (!is_loopback(to)) {
    throw Error(Code::refused,
                fmt::format("the key that encrypts the data would go to {} in the clear", to),
                "start the agents with --tls-cert, --tls-key and --tls-ca; docs/security.md");
  }
  spdlog::warn("job {} migration {}: encrypted, but its key goes over plain HTTP on loopback",
               m.spec.job, m.id);
}

}  // namespace

Migrations::Migrations(const HandoverParts& parts, std::function<void(const Migration&)> forgetting)
    : context_(parts.context),
      tasks_(parts.tasks),
      config_(parts.config),
      journal_(parts.journal),
      jobs_(parts.jobs),
      hub_(parts.hub),
      criu_(parts.criu),
      handover_gate_(parts.handover_gate),
      tell_(parts.tell),
      forgetting_(std::move(forgetting)),
      changed_(parts.context) {}

// ---- requests

Migration Migrations::make(MigrationRequest wanted, const Instance& source) {
  const auto& job = source.job();
  Migration m;
  m.id = "m-" + random_hex(4);
  m.spec = std::move(wanted.spec);
  (void)parse_destination(m.spec.to);
  choose_arrival(m.spec, job);
  choose_rehearsal(m.spec, job.uid());
  m.spec.encrypt = m.spec.encrypt || config_.encrypt_always;
  if (m.spec.encrypt && !config_.tls.any()) warn_of_plain_key(m);
  m.job_uid = job.uid();
  auto& transfer = m.first();
  transfer.rank = source.rank;
  transfer.instance = source.id;
  transfer.from = config_.host_name + "/" + source.device;
  transfer.to = m.spec.to;
  m.side = handover::SourceSide({State::planned, job.epoch + 1, job.epoch});
  m.hold_at = std::move(wanted.hold_at);
  if (!m.hold_at.empty() && !config_.failpoints) {
    throw Error(Code::bad_request, "hold_at needs an agent started with --failpoints");
  }
  if (!m.hold_at.empty() && !handover::state_from_string(m.hold_at) && !is_phase(m.hold_at)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no state", m.hold_at));
  }
  m.started_at_ms = unix_ms();
  m.history.emplace_back("planned", m.started_at_ms);
  return m;
}

/// The process of the job that is asked for, if it can move now.
Instance& Migrations::movable(const MigrationSpec& spec) {
  need_a_port();
  const auto& name = spec.job;
  auto* job = jobs_.find(name);
  if (job == nullptr) {
    throw Error(Code::not_found, fmt::format("there is no job '{}' on {}", name, config_.host_name),
                "`cardswap jobs` lists the jobs of this host");
  }
  auto& source = job->first();
  if (!source.live()) {
    throw Error(Code::conflict,
                source.state == "moved" ? fmt::format("job {} moved to {}", name, source.moved_to)
                                        : fmt::format("job {} is {}", name, source.state),
                source.state == "moved" ? "ask the agent there" : "only a running job can move");
  }
  if (job->newer_epoch != 0) {
    throw Error(Code::conflict,
                fmt::format("job {} stands here for good: epoch {} of it steps elsewhere", name,
                            job->newer_epoch),
                "`cardswap stop " + name + "` ends this copy");
  }
  if (const auto* other = running_for(source)) {
    throw Error(Code::conflict, fmt::format("job {} is in migration {} already", name, other->id),
                "wait for it, or `cardswap cancel " + other->id + "`");
  }
  if (!source.attached && source.state_bytes > 0) {
    throw Error(Code::conflict,
                fmt::format("the runtime of job {} is not attached again yet", name),
                "it comes back by itself within seconds of an agent's restart: try again; if it "
                "does not, `cardswap logs " +
                    name + "` may say why");
  }
  if (!source.attached || !(source.told || source.state_bytes != 0)) {
    throw Error(Code::conflict,
                source.attached ? fmt::format("job {} has not passed a step boundary yet", name)
                                : fmt::format("job {} has no Cardswap runtime attached", name),
                source.attached
                    ? "try again after its first step"
                    : "its program must open a cardswap::Session; docs/trainer-guide.md");
  }
  const auto to = parse_destination(spec.to);
  if (spec.rehearse != Rehearsal::only && is_here(to.agent()) && to.device == source.device) {
    throw Error(Code::conflict,
                fmt::format("job {} runs on {}/{}: it is there already", name, config_.host_name,
                            source.device),
                "--to another device; `cardswap devices` lists those of this host");
  }
  return source;
}

Migration& Migrations::start(MigrationRequest wanted) {
  auto& source = movable(wanted.spec);
  forget_old_timelines();
  forget_old();
  auto made = make(std::move(wanted), source);
  if (const auto refusal = refusal_by(source.obstacles, made.spec.arrive, source.name())) {
    throw Error(*refusal);
  }
  journal_.put(Journal::Kind::migration, made.id, journal_record(made));
  auto& m = migrations_.emplace_back(std::move(made));
  for (const auto& transfer : m.transfers) live_[transfer.instance] = &m;
  source.job().migration = m.id;
  hub_.send(source, channel::TimeSteps{m.id});
  spdlog::info("job {} migration {} planned: {} to {}", m.spec.job, m.id, m.first().from,
               m.spec.to);
  tasks_.spawn("migrate " + m.spec.job, run(m.id));
  return m;
}

void Migrations::cancel(const std::string& id) {
  auto& m = at(id);
  if (handover::is_committed(m.state())) {
    throw Error(
        Code::conflict,
        m.state() == State::completed
            ? fmt::format("migration {} is over: there is nothing to cancel", id)
            : fmt::format("migration {} is {} and cannot be taken back", id, to_string(m.state())),
        "the job goes on at " + m.spec.to);
  }
  if (m.state() == State::aborted || m.state() == State::aborting) {
    throw Error(Code::conflict,
                fmt::format("migration {} is {}: there is nothing to cancel", id,
                            m.state() == State::aborted ? "over" : "being given up already"),
                "`cardswap status " + id + "` tells how it ended");
  }
  note_failure(m, Error(Code::cancelled, fmt::format("migration {} was cancelled", id)));
}

void Migrations::proceed(const std::string& id) {
  at(id).proceed = true;
  changed_.notify();
}

Migration& Migrations::at(const std::string& id) {
  for (auto& m : migrations_) {
    if (m.id == id) return m;
  }
  throw Error(Code::not_found,
              fmt::format("there is no migration '{}' on {}", id, config_.host_name),
              "`cardswap status` lists them");
}

Migration* Migrations::running_for(const Instance& source) { return running_of(source.id); }

Migration* Migrations::running_of(const std::string& instance) {
  const auto found = live_.find(instance);
  return found == live_.end() ? nullptr : found->second;
}

// ---- what runtimes say

void Migrations::on_hello(const Instance& source, const channel::Hello& hello) {
  // A runtime that still holds on to a migration hears again what became of it.
  if (hello.migration.empty() || source.job().standby) return;
  for (auto& m : migrations_) {
    if (m.id != hello.migration || m.of(source.id) == nullptr) continue;
    apply(m, handover::SourceSide(m.side), m.side.attached());
  }
}

void Migrations::on_message(Instance& source, const channel::Message& message) {
  const auto* last = std::get_if<channel::Failed>(&message);
  if (last != nullptr && last->lost) return lose_job(source, *last);
  if (const auto* late = std::get_if<channel::LateSteps>(&message)) return note_late(source, *late);
  auto* m = running_for(source);
  auto* transfer = m != nullptr ? m->of(source.id) : nullptr;
  if (transfer == nullptr) return;
  const auto mine = [&](const std::string& id) { return id == m->id; };
  if (const auto* progress = std::get_if<channel::SyncProgress>(&message)) {
    if (!mine(progress->migration)) return;
    transfer->stats = progress->stats;
  } else if (const auto* converged = std::get_if<channel::Converged>(&message)) {
    if (!mine(converged->migration)) return;
    transfer->converged = true;
    transfer->predicted_downtime_ms = converged->expected_downtime_ms;
    transfer->predicted_stall_ms = transfer->stats.expected_stall_ms;
    transfer->predicted_lost_ms = transfer->stats.expected_lost_ms;
  } else if (const auto* frozen = std::get_if<channel::Frozen>(&message)) {
    if (!mine(frozen->migration)) return;
    transfer->frozen_at = frozen->step;
    transfer->frozen_time = std::chrono::steady_clock::now();
    source.frozen = true;
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    if (!mine(verified->migration)) return;
    transfer->verified = verified->root;
    transfer->stats = verified->stats;
  } else if (const auto* departed = std::get_if<channel::Departed>(&message)) {
    if (!mine(departed->migration)) return;
    transfer->departed = *departed;
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    if (!mine(failed->migration)) return;
    note_failure(*m, Error(failed->code, failed->failure, failed->hint));
    return;
  } else if (const auto* released = std::get_if<channel::Released>(&message)) {
    if (!mine(released->migration)) return;
    transfer->released = true;
  } else if (std::holds_alternative<channel::Ended>(message)) {
    note_failure(*m,
                 Error(Code::source_lost, fmt::format("job {} ended by itself", source.name())));
    return;
  } else if (std::holds_alternative<channel::Stepped>(message)) {
    sample(*m, *transfer);
    return;
  } else {
    return;
  }
  sample(*m, *transfer);
  bump(*m);
}

void Migrations::on_detached(const Instance& source) {
  auto* m = running_for(source);
  if (m == nullptr) return;
  note_failure(*m, Error(Code::source_lost,
                         fmt::format("the runtime of job {} closed its connection", source.name()),
                         "`cardswap logs " + source.name() + "` may say why"));
}

void Migrations::on_exit(Instance& source) {
  for (auto& m : migrations_) {  // it may be over by now
    auto* transfer = m.of(source.id);
    if (transfer != nullptr && !transfer->lost.empty()) {
      source.exit_text = std::exchange(transfer->lost, {});
    }
  }
  note_no_more_steps(source);
  auto* m = running_for(source);
  if (m == nullptr) return;
  if (handover::is_committed(m->state())) {
    source.state = "moved";
    source.moved_to = m->of(source.id)->to;
  }
  note_failure(*m, Error(Code::source_lost, fmt::format("job {} ended by itself", source.name())));
}

void Migrations::note_failure(Migration& m, Error error) {
  if (handover::is_committed(m.state()) || m.failure) return;
  m.failure = std::move(error);
  for (const auto& transfer : m.transfers) {
    const auto leaving = departures_.find(&transfer);
    if (leaving != departures_.end()) leaving->second->close();
  }
  bump(m);
}

void Migrations::bump(Migration& m) {
  ++m.version;
  changed_.notify();
}

void Migrations::save(const Migration& m) {
  journal_.put(Journal::Kind::migration, m.id, journal_record(m));
}

void Migrations::sample(const Migration& m, Transfer& transfer) const {
  auto now = sample_of(transfer.stats);
  now.at_ms = unix_ms() - m.started_at_ms;
  now.state = m.state();
  const auto* source = jobs_.by_instance(transfer.instance);
  now.step = transfer.frozen_at  ? *transfer.frozen_at
             : source != nullptr ? source->step
                                 : m.migrated_at_step();
  transfer.timeline.add(std::move(now));
}

void Migrations::forget_old() {
  std::vector<std::int64_t> ended;
  for (const auto& m : migrations_) {
    const bool needed = !handover::is_over(m.state()) || m.open() || m.in_use.use_count() > 1;
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
    if (forgetting_) forgetting_(*m);
    for (const auto& transfer : m->transfers) departures_.erase(&transfer);
    m = migrations_.erase(m);
    place = forgotten + 1;
  }
}

/// Of the many that an agent sees in its life only the latest are kept, here and on disk.
void Migrations::forget_old_timelines() {
  std::size_t kept = 0;
  for (auto m = migrations_.rbegin(); m != migrations_.rend(); ++m) {
    const bool none = m->each([](const Transfer& transfer) { return transfer.timeline.empty(); });
    if (!handover::is_over(m->state()) || none || ++kept < kTimelinesKept) continue;
    for (auto& transfer : m->transfers) transfer.timeline = {};
    save(*m);
  }
}

http::Endpoint Migrations::peer(const Transfer& transfer) const {
  return http::Endpoint::tcp(parse_destination(transfer.to).agent());
}

asio::awaitable<json::object> Migrations::ask(http::Endpoint peer, std::string method,
                                              std::string path, json::value body,
                                              milliseconds timeout) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(path);
  request.body = std::move(body);
  request.headers.emplace_back("Cardswap-Protocol", "1");
  request.timeout = timeout;
  // A grant that comes twice is a grant; a reservation is not.
  const bool repeatable = request.method != "POST" || request.target.ends_with("/grant");
  const auto agent = peer.text();
  const auto asked = fmt::format("{} {}", request.method, request.target);
  json::value answer;
  std::optional<Error> told;
  try {
    if (repeatable) {
      answer = co_await connections_.call(std::move(peer), std::move(request));
    } else {
      answer = co_await http::call(std::move(peer), std::move(request));
    }
  } catch (const Error& error) {
    if (tasks_.stopping()) throw;
    told = told_by(agent, error);
  }
  if (told) throw Error(*told);
  if (!answer.is_object()) {
    throw Error(Code::protocol_mismatch,
                fmt::format("the agent at {} answered {} with no JSON object", agent, asked),
                "is it a cardswapd of this release that listens there?");
  }
  co_return std::move(answer.get_object());
}

}  // namespace cardswap
