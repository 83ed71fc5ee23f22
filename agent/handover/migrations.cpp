#include "agent/handover/migrations.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/units.h"
#include "migrator/layout.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Event;
using handover::State;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kStandbyStartMax{120};
constexpr milliseconds kWatchEvery{500};
constexpr milliseconds kWatchAnswerMax{1500};
constexpr seconds kRetireGrace{10};
constexpr milliseconds kRetryFirst{100};
constexpr milliseconds kRetryMost{2000};
// Between equal digests and the grant, one after the other: verified and granted there, committed
// here; the answer that it verified, and the grant.
constexpr double kHandoverWrites = 3;
constexpr double kHandoverAsks = 2;
constexpr std::size_t kTimelinesKept = 200;
constexpr double kTimeoutMaxMs = 366.0 * 86'400'000;

Strategy strategy_from(const std::string& text) {
  for (const auto strategy :
       {Strategy::automatic, Strategy::stop_copy, Strategy::rounds, Strategy::replay}) {
    if (text == to_string(strategy)) return strategy;
  }
  throw Error(Code::bad_request, fmt::format("'{}' is no strategy", text),
              "use auto, stop-copy, rounds or replay");
}

std::string text_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
double number_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

std::vector<std::string> reasons_of(const json::object& answer) {
  std::vector<std::string> reasons;
  if (const auto* list = answer.if_contains("blocked_reasons");
      list != nullptr && list->is_array()) {
    for (const auto& reason : list->get_array()) {
      if (reason.is_string()) reasons.emplace_back(reason.get_string());
    }
  }
  return reasons;
}

std::string reservation_path(const std::string& id) { return "/v1/peer/reservations/" + id; }

}  // namespace

Migrations::Migrations(asio::io_context& context, TaskGroup& tasks, const Config& config,
                       Journal& journal, Jobs& jobs, RuntimeHub& hub)
    : context_(context),
      tasks_(tasks),
      config_(config),
      journal_(journal),
      jobs_(jobs),
      hub_(hub),
      changed_(context) {}

void Migrations::recover() {
  for (const auto& record : journal_.all(Journal::Kind::migration)) {
    auto& m = migrations_.emplace_back(migration_from_journal(record));
    if (handover::is_over(m.state)) continue;
    spdlog::info("migration {} of job {} was {} when the agent ended", m.id, m.job,
                 to_string(m.state));
    if (handover::is_committed(m.state)) {
      tasks_.spawn("finish migration " + m.id, finish(m));
    } else {
      tasks_.spawn("abort migration " + m.id,
                   abort(m, Error(Code::cancelled, "the source's agent was restarted",
                                  "start the migration again")));
    }
  }
}

// ---- requests

Migration Migrations::make(const ApiRequest& request, const Job& job) {
  Migration m;
  m.id = "m-" + random_hex(4);
  m.job = job.name;
  m.job_uid = job.uid;
  m.instance = job.instance;
  m.from = config_.host_name + "/" + job.device;
  m.to = request.text("to");
  (void)parse_destination(m.to);
  m.strategy = strategy_from(request.text_or("strategy", "auto"));
  m.epoch = job.epoch + 1;
  m.bandwidth = static_cast<std::uint64_t>(request.number_or("bandwidth", 0));
  m.chunk_bytes = static_cast<std::uint64_t>(request.number_or("chunk_bytes", 1 << 20));
  (void)cut_into_chunks(Layout(), m.chunk_bytes);
  m.max_downtime_ms = request.number_or("max_downtime_ms", 300);
  m.auto_converge = request.flag_or("auto_converge", false);
  m.compression = compression_from(request.text_or("compression", "auto"));
  m.log_bytes_max = static_cast<std::uint64_t>(request.number_or("log_memory", 0));
  m.timeout_ms = request.number_or("timeout_ms", 600'000);
  if (m.timeout_ms > kTimeoutMaxMs) {
    throw Error(Code::bad_request, "a time-out of over a year", "use less, or 0 for none");
  }
  m.hold_at = request.text_or("hold_at", "");
  if (!m.hold_at.empty() && !config_.failpoints) {
    throw Error(Code::bad_request, "hold_at needs an agent started with --failpoints");
  }
  if (!m.hold_at.empty() && !handover::state_from_string(m.hold_at)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no state", m.hold_at));
  }
  m.started_at_ms = unix_ms();
  m.history.emplace_back("planned", m.started_at_ms);
  return m;
}

Migration& Migrations::start(const ApiRequest& request) {
  request.only({"job", "to", "strategy", "max_downtime_ms", "bandwidth", "timeout_ms", "dry_run",
                "chunk_bytes", "auto_converge", "log_memory", "compression", "hold_at"});
  const auto name = request.text("job");
  auto* job = jobs_.find(name);
  if (job == nullptr) {
    throw Error(Code::not_found, fmt::format("there is no job '{}' on {}", name, config_.host_name),
                "`cardswap jobs` lists the jobs of this host");
  }
  if (!job->live()) {
    throw Error(Code::conflict,
                job->state == "moved" ? fmt::format("job {} moved to {}", name, job->moved_to)
                                      : fmt::format("job {} is {}", name, job->state),
                job->state == "moved" ? "ask the agent there" : "only a running job can move");
  }
  if (const auto* other = running_for(*job)) {
    throw Error(Code::conflict, fmt::format("job {} is in migration {} already", name, other->id),
                "wait for it, or `cardswap cancel " + other->id + "`");
  }
  if (!job->attached || job->state_bytes == 0) {
    throw Error(Code::conflict,
                job->attached ? fmt::format("job {} has not passed a step boundary yet", name)
                              : fmt::format("job {} has no Cardswap runtime attached", name),
                job->attached ? "try again after its first step"
                              : "its program must open a cardswap::Session; docs/trainer-guide.md");
  }
  forget_old_timelines();
  auto made = make(request, *job);
  journal_.put(Journal::Kind::migration, made.id, to_json(made));
  auto& m = migrations_.emplace_back(std::move(made));
  job->migration = m.id;
  spdlog::info("job {} migration {} planned: {} to {}", m.job, m.id, m.from, m.to);
  tasks_.spawn("migrate " + m.job, run(m.id));
  return m;
}

/// What earlier migrations measured: the link to that host, this job's replay. Says where from.
std::string Migrations::recall(const Migration& planned, Measurements& measured) const {
  const auto host = parse_destination(planned.to).host;
  std::string from = "assumed";
  for (const auto& earlier : migrations_) {
    if (earlier.stats.rate == 0) continue;
    // Under a cap it was the cap that was measured.
    if (earlier.bandwidth == 0 && parse_destination(earlier.to).host == host) {
      measured.link_rate = static_cast<double>(earlier.stats.rate);
      from = "measured by " + earlier.id;
    }
    if (earlier.job_uid == planned.job_uid) measured.replay_ms = earlier.stats.replay_ms;
  }
  const auto cap = static_cast<double>(planned.bandwidth);
  if (cap > 0 && (measured.link_rate == 0 || cap < measured.link_rate)) {
    measured.link_rate = cap;
    from = "the cap";
  }
  return from;
}

asio::awaitable<json::object> Migrations::plan(ApiRequest request) {
  const auto name = request.text("job");
  auto* job = jobs_.find(name);
  if (job == nullptr || !job->live()) {
    throw Error(Code::not_found, fmt::format("there is no running job '{}' here", name),
                "`cardswap jobs` lists the jobs of this host");
  }
  const auto m = make(request, *job);
  Measurements measured;
  measured.state_bytes = job->state_bytes;
  measured.replayed_bytes = job->replayed_bytes;
  measured.update_bytes = job->update_bytes;
  measured.step_ms = job->median_step_ms;
  const auto rate_from = recall(m, measured);
  json::array predictions;
  for (const auto& p : predict(measured, m.max_downtime_ms)) {
    predictions.push_back(json::object{{"strategy", to_string(p.strategy)},
                                       {"total_time_ms", p.total_time_ms},
                                       {"downtime_ms", p.downtime_ms},
                                       {"transferred", p.transferred},
                                       {"fits", p.fits},
                                       {"reason", p.reason}});
  }
  const auto chosen =
      m.strategy == Strategy::automatic ? choose(predict(measured, m.max_downtime_ms)) : m.strategy;
  json::object body{{"migration", m.id},
                    {"device", parse_destination(m.to).device},
                    {"state_bytes", job->state_bytes},
                    {"epoch", m.epoch},
                    {"from", m.from},
                    {"dry_run", true}};
  JobSpec spec{job->name, job->uid, job->argv, job->cwd, job->env, job->device, job->restart};
  body["job"] = to_json(spec);
  json::array blocked;
  try {
    const auto answer =
        co_await ask(peer(m), "POST", "/v1/peer/reservations", std::move(body), seconds(10));
    for (const auto& reason : reasons_of(answer)) blocked.emplace_back(reason);
  } catch (const Error& error) {
    blocked.emplace_back(error.what());
  }
  co_return json::object{{"job", m.job},
                         {"to", m.to},
                         {"allowed", blocked.empty()},
                         {"blocked_reasons", blocked},
                         {"state_bytes", measured.state_bytes},
                         {"step_ms", measured.step_ms},
                         {"update_bytes", measured.update_bytes},
                         {"link_rate", measured.link_rate},
                         {"link_rate_from", rate_from},
                         {"strategy", to_string(chosen)},
                         {"predictions", predictions}};
}

void Migrations::cancel(const std::string& id) {
  auto& m = at(id);
  if (handover::is_committed(m.state)) {
    throw Error(Code::conflict,
                fmt::format("migration {} is {} and cannot be taken back", id, to_string(m.state)),
                "the job goes on at " + m.to);
  }
  if (m.state == State::aborted) return;
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

Migration* Migrations::running_for(const Job& job) {
  for (auto& m : migrations_) {
    if (m.instance == job.instance && !handover::is_over(m.state)) return &m;
  }
  return nullptr;
}

json::object Migrations::decision(const std::string& id) {
  const auto& m = at(id);
  const auto* decided = handover::is_committed(m.state)                           ? "committed"
                        : m.state == State::aborting || m.state == State::aborted ? "aborted"
                                                                                  : "pending";
  return {
      {"decision", decided}, {"epoch", m.epoch}, {"root", m.root}, {"step", m.migrated_at_step}};
}

// ---- what runtimes say

void Migrations::on_hello(Job& job, const channel::Hello& hello) {
  // A runtime that holds on to a migration which this agent has given up is let go.
  if (hello.migration.empty() || job.standby) return;
  for (auto& m : migrations_) {
    if (m.id == hello.migration && (m.state == State::aborting || m.state == State::aborted)) {
      hub_.send(job, channel::Release{m.id});
    }
  }
}

void Migrations::on_message(Job& job, const channel::Message& message) {
  auto* m = running_for(job);
  if (m == nullptr) return;
  const auto mine = [&](const std::string& id) { return id == m->id; };
  if (const auto* progress = std::get_if<channel::SyncProgress>(&message)) {
    if (!mine(progress->migration)) return;
    m->stats = progress->stats;
  } else if (const auto* converged = std::get_if<channel::Converged>(&message)) {
    if (!mine(converged->migration)) return;
    m->converged = true;
    m->predicted_downtime_ms = converged->expected_downtime_ms;
  } else if (const auto* frozen = std::get_if<channel::Frozen>(&message)) {
    if (!mine(frozen->migration)) return;
    m->frozen_at = frozen->step;
    job.frozen = true;
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    if (!mine(verified->migration)) return;
    m->verified = verified->root;
    m->stats = verified->stats;
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    if (!mine(failed->migration)) return;
    note_failure(*m, Error(failed->code, failed->failure, failed->hint));
    return;
  } else if (const auto* released = std::get_if<channel::Released>(&message)) {
    if (!mine(released->migration)) return;
    m->released = true;
  } else if (std::holds_alternative<channel::Ended>(message)) {
    note_failure(*m, Error(Code::source_lost, fmt::format("job {} ended by itself", job.name)));
    return;
  } else if (std::holds_alternative<channel::Stepped>(message)) {
    sample(*m);
    return;
  } else {
    return;
  }
  sample(*m);
  bump(*m);
}

void Migrations::on_detached(Job& job) {
  auto* m = running_for(job);
  if (m == nullptr) return;
  note_failure(*m, Error(Code::source_lost,
                         fmt::format("the runtime of job {} closed its connection", job.name),
                         "`cardswap logs " + job.name + "` may say why"));
}

void Migrations::on_exit(Job& job) {
  auto* m = running_for(job);
  if (m == nullptr) return;
  if (handover::is_committed(m->state)) {
    job.state = "moved";
    job.moved_to = m->to;
  }
  note_failure(*m, Error(Code::source_lost, fmt::format("job {} ended by itself", job.name)));
}

void Migrations::note_failure(Migration& m, Error error) {
  if (handover::is_committed(m.state) || m.failure) return;
  m.failure = std::move(error);
  bump(m);
}

void Migrations::bump(Migration& m) {
  ++m.version;
  changed_.notify();
}

void Migrations::save(const Migration& m) {
  journal_.put(Journal::Kind::migration, m.id, journal_record(m));
}

void Migrations::sample(Migration& m) const {
  auto now = sample_of(m.stats);
  now.at_ms = unix_ms() - m.started_at_ms;
  now.state = m.state;
  const auto* job = jobs_.by_instance(m.instance);
  now.step = m.frozen_at ? *m.frozen_at : job != nullptr ? job->step : m.migrated_at_step;
  m.timeline.add(std::move(now));
}

/// Of the many that an agent sees in its life only the latest are kept, here and on disk.
void Migrations::forget_old_timelines() {
  std::size_t kept = 0;
  for (auto m = migrations_.rbegin(); m != migrations_.rend(); ++m) {
    if (!handover::is_over(m->state) || m->timeline.empty() || ++kept < kTimelinesKept) continue;
    m->timeline = {};
    save(*m);
  }
}

// ---- the walk

/// The one door through which a state changes: by the table, and on disk first.
void Migrations::step_to(Migration& m, Event event) {
  const auto rule = handover::rule_for(handover::kSourceRules, m.state, event);
  if (!rule) {
    throw Error(Code::internal, fmt::format("migration {}: event {} in state {} has no rule", m.id,
                                            static_cast<int>(event), to_string(m.state)));
  }
  auto next = m;
  next.state = rule->to;
  ++next.version;
  next.history.emplace_back(to_string(rule->to), unix_ms());
  sample(next);
  save(next);
  m = std::move(next);
  spdlog::info("job {} migration {} {}", m.job, m.id, to_string(m.state));
  changed_.notify();
}

asio::awaitable<void> Migrations::enter(Migration& m, Event event, Deadline deadline) {
  step_to(m, event);
  if (m.hold_at != to_string(m.state)) co_return;
  m.held = true;
  bump(m);
  while (!m.proceed) {
    check(m, deadline);
    co_await changed_.wait_until(deadline);
  }
  m.held = false;
  bump(m);
}

void Migrations::check(const Migration& m, Deadline deadline) const {
  if (m.failure) throw Error(*m.failure);
  if (Clock::now() < deadline) return;
  const bool too_long = m.max_downtime_ms > 0 && m.stats.expected_downtime_ms > m.max_downtime_ms;
  if (m.state == State::syncing && too_long) {
    throw Error(Code::not_converging,
                fmt::format("job {} did not converge within {}: a freeze would take {}, {} allowed",
                            m.job, format_ms(m.timeout_ms), format_ms(m.stats.expected_downtime_ms),
                            format_ms(m.max_downtime_ms)),
                fmt::format("allow more with --max-downtime {:.0f}ms, raise --bandwidth, or use "
                            "--strategy stop-copy --max-downtime none",
                            m.stats.expected_downtime_ms * 1.3));
  }
  throw Error(Code::timed_out,
              fmt::format("migration {} was still {} after {}", m.id, to_string(m.state),
                          format_ms(m.timeout_ms)),
              "allow more with --timeout");
}

http::Endpoint Migrations::peer(const Migration& m) const {
  const auto to = parse_destination(m.to);
  return http::Endpoint::tcp(to.host, to.port);
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
  auto answer = co_await http::call(std::move(peer), std::move(request));
  if (!answer.is_object()) throw Error(Code::corrupt, "the other agent's answer is no object");
  co_return answer.as_object();
}

asio::awaitable<void> Migrations::run(std::string id) {
  auto& m = at(id);
  std::optional<Error> failed;
  try {
    co_await sync_and_freeze(m);
  } catch (const Error& error) {
    failed = error;
  }
  if (failed) {
    co_await abort(m, *failed);
    co_return;
  }
  co_await finish(m);
}

asio::awaitable<void> Migrations::sync_and_freeze(Migration& m) {
  const auto deadline = m.timeout_ms > 0
                            ? Clock::now() + milliseconds(static_cast<std::int64_t>(m.timeout_ms))
                            : Deadline::max() - std::chrono::hours(1);
  const auto wait_for = [&](auto condition, Deadline until) -> asio::awaitable<bool> {
    while (!condition()) {
      check(m, deadline);
      if (Clock::now() >= until) co_return false;
      co_await changed_.wait_until(std::min(until, deadline));
    }
    check(m, deadline);
    co_return true;
  };

  // Reserve before anything else is said to anybody.
  co_await enter(m, Event::started, deadline);
  auto* job = jobs_.by_instance(m.instance);
  JobSpec spec{job->name, job->uid, job->argv, job->cwd, job->env, job->device, job->restart};
  json::object body{{"migration", m.id},
                    {"job", to_json(spec)},
                    {"device", parse_destination(m.to).device},
                    {"state_bytes", job->state_bytes},
                    {"epoch", m.epoch},
                    {"from", m.from},
                    {"from_api", fmt::format("{}:{}", config_.listen_host, config_.listen_port)},
                    {"dry_run", false}};
  const auto offer =
      co_await ask(peer(m), "POST", "/v1/peer/reservations", std::move(body), seconds(10));
  if (!offer.at("accepted").as_bool()) {
    const auto reasons = reasons_of(offer);
    const bool memory = text_at(offer, "code") == "no_memory";
    throw Error(memory ? Code::no_memory : Code::refused,
                fmt::format("refused by {}: {}", m.to, fmt::join(reasons, "; ")),
                fmt::format("--to another device; `cardswap devices {}:{}` lists them",
                            parse_destination(m.to).host, parse_destination(m.to).port));
  }
  tasks_.spawn("watch the target of " + m.id, watch_target(m.id));

  json::object standby;
  const auto standby_deadline = std::min(deadline, Clock::now() + kStandbyStartMax);
  for (std::int64_t seen = 0; text_at(standby, "state") != "parked";) {
    check(m, deadline);
    if (Clock::now() >= standby_deadline) {
      throw Error(Code::timed_out,
                  fmt::format("the standby of job {} at {} did not park within {} s", m.job, m.to,
                              kStandbyStartMax.count()),
                  "its log is on that host; does the program reach its first step there?");
    }
    standby = co_await ask(peer(m), "GET",
                           fmt::format("{}?after={}&wait_ms=300", reservation_path(m.id), seen),
                           nullptr, seconds(3));
    seen = static_cast<std::int64_t>(number_at(standby, "version"));
  }
  co_await enter(m, Event::standby_parked, deadline);

  const auto asked_at = Clock::now();
  co_await ask(peer(m), "GET", reservation_path(m.id), nullptr, seconds(3));
  const std::chrono::duration<double, std::milli> round_trip = Clock::now() - asked_at;

  co_await enter(m, Event::sync_began, deadline);
  channel::BeginSync begin;
  begin.handover_ms = kHandoverWrites * journal_.put_ms() + kHandoverAsks * round_trip.count();
  begin.migration = m.id;
  begin.host = text_at(standby, "data_host");
  begin.port = static_cast<std::uint16_t>(number_at(standby, "data_port"));
  begin.token = text_at(standby, "data_token");
  begin.strategy = m.strategy;
  begin.chunk_bytes = m.chunk_bytes;
  begin.bandwidth = m.bandwidth;
  begin.max_downtime_ms = m.max_downtime_ms;
  begin.auto_converge = m.auto_converge;
  begin.log_bytes_max = m.log_bytes_max;
  begin.compression = m.compression;
  begin.transports = config_.transports;
  job = jobs_.by_instance(m.instance);
  if (job == nullptr || !hub_.send(*job, begin)) {
    throw Error(Code::source_lost, fmt::format("job {} is not attached any more", m.job));
  }
  co_await wait_for([&] { return m.converged; }, deadline);
  co_await enter(m, Event::downtime_fits, deadline);

  step_to(m, Event::freeze_due);
  job = jobs_.by_instance(m.instance);
  if (job != nullptr) hub_.send(*job, channel::Freeze{m.id});
  if (m.hold_at == "freezing") {
    m.held = true;
    bump(m);
    co_await wait_for([&] { return m.proceed; }, deadline);
    m.held = false;
  }
  co_await wait_for([&] { return m.frozen_at.has_value(); }, deadline);
  m.migrated_at_step = *m.frozen_at;
  co_await enter(m, Event::trainer_frozen, deadline);
  co_await wait_for([&] { return m.verified.has_value(); }, deadline);

  // The target's agent must have heard the same from its side before anything is decided.
  const auto root = to_string(*m.verified);
  json::object target;
  for (std::int64_t seen = 0; text_at(target, "state") != "verified";) {
    check(m, deadline);
    target = co_await ask(peer(m), "GET",
                          fmt::format("{}?after={}&wait_ms=300", reservation_path(m.id), seen),
                          nullptr, seconds(3));
    seen = static_cast<std::int64_t>(number_at(target, "version"));
  }
  if (text_at(target, "root") != root) {
    throw Error(Code::digest_mismatch, "the two sides report different digests of the state");
  }
  check(m, deadline);
  m.root = root;
  try {
    step_to(m, Event::digests_equal);
  } catch (const Error&) {
    m.root.clear();  // not on disk: nothing is committed
    throw;
  }
}

/// Sees to it that the target has the job; called again by a restarted agent.
asio::awaitable<void> Migrations::finish(Migration& m) {
  auto retry = kRetryFirst;
  json::object body{{"epoch", m.epoch}, {"root", m.root}, {"step", m.migrated_at_step}};
  bool granted = m.state != State::committed;
  std::int64_t seen = 0;
  while (m.state != State::completed) {
    std::optional<std::string> gone;
    try {
      if (!granted) {
        co_await ask(peer(m), "POST", reservation_path(m.id) + "/grant", body, seconds(3));
        granted = true;
      }
      const auto target = co_await ask(
          peer(m), "GET", fmt::format("{}?after={}&wait_ms=500", reservation_path(m.id), seen),
          nullptr, seconds(3));
      seen = static_cast<std::int64_t>(number_at(target, "version"));
      const auto state = text_at(target, "state");
      if (m.state == State::committed && (state == "resumed" || state == "completed")) {
        m.downtime_ms = number_at(target, "downtime_ms");
        m.clock_error_ms = number_at(target, "clock_error_ms");
        step_to(m, Event::target_resumed);
      }
      if (m.state == State::resumed && state == "completed") step_to(m, Event::target_stepped);
      if (state == "failed") gone = "its standby ended before its first step";
      retry = kRetryFirst;
    } catch (const Error& error) {
      if (error.code() == Code::digest_mismatch || error.code() == Code::not_found) {
        gone = error.failure();
      } else if (retry == kRetryFirst) {
        spdlog::warn("job {} migration {}: the grant is not answered yet: {}", m.job, m.id,
                     error.what());
      }
    }
    if (gone) {
      co_await reclaim(m, *gone);
      co_return;
    }
    if (m.state == State::completed) break;
    co_await pause_for(retry);
    retry = std::min(retry * 2, kRetryMost);
  }
  if (auto* job = jobs_.by_instance(m.instance)) {
    job->moved_to = m.to;
    jobs_.set_state(*job, "moved");
    hub_.send(*job, channel::Retire{m.id});
  }
  m.result = "ok";
  m.ended_at_ms = unix_ms();
  save(m);
  bump(m);
  spdlog::info("job {} migration {} moved to {} at step {}, downtime {}", m.job, m.id, m.to,
               m.migrated_at_step, format_ms(m.downtime_ms));
  // Its loop ends by itself; what does not end is ended.
  const auto grace = Clock::now() + kRetireGrace;
  while (true) {
    auto* job = jobs_.by_instance(m.instance);
    if (job == nullptr || job->ended_at_ms != 0) co_return;
    if (Clock::now() >= grace) break;
    co_await jobs_.changed().wait_until(grace);
  }
  if (auto* job = jobs_.by_instance(m.instance)) signal_group(job->process, SIGKILL);
}

asio::awaitable<void> Migrations::reclaim(Migration& m, std::string why) {
  spdlog::error("job {} migration {}: {}; the source takes the job back", m.job, m.id, why);
  m.error = Error(Code::target_lost,
                  fmt::format("the target {} lost the job before its first step: {}", m.to, why),
                  "the job goes on where it was; look at the target's agent before trying again");
  if (auto* job = jobs_.by_instance(m.instance)) {
    job->epoch = m.epoch + 1;  // above the one that was granted
    jobs_.save(*job);
  }
  step_to(m, Event::target_is_gone);
  co_await abort(m, *m.error);
}

void Migrations::release_trainer(Migration& m) {
  if (auto* job = jobs_.by_instance(m.instance)) {
    hub_.send(*job, channel::Release{m.id});
    job->frozen = false;
    job->migration.clear();
  }
}

asio::awaitable<void> Migrations::abort(Migration& m, Error error) {
  m.error = std::move(error);
  try {
    if (m.state != State::aborting) step_to(m, Event::failed);
  } catch (const Error& disk) {
    // The decision to go on needs no record: without `committed` on disk nothing was decided.
    spdlog::error("job {} migration {}: {}", m.job, m.id, disk.what());
    m.state = State::aborting;
  }
  release_trainer(m);
  spdlog::warn("job {} migration {} is given up: {}", m.job, m.id, m.error->what());
  // The trainer goes on; the target is cleaned up, and tried for a while if it does not answer: it
  // gives up by itself when this agent is silent.
  auto retry = kRetryFirst;
  const auto until = Clock::now() + seconds(8);
  while (Clock::now() < until) {
    try {
      co_await ask(peer(m), "DELETE", reservation_path(m.id), nullptr, seconds(3));
      break;
    } catch (const Error& failed) {
      if (failed.code() == Code::not_found || failed.code() == Code::unreachable) break;
    }
    co_await pause_for(retry);
    retry = std::min(retry * 2, kRetryMost);
  }
  m.result = m.error->code() == Code::cancelled ? "cancelled" : "failed";
  m.ended_at_ms = unix_ms();
  step_to(m, Event::cleaned_up);
}

/// The heartbeat: a target whose agent does not answer, or whose standby failed, is lost.
asio::awaitable<void> Migrations::watch_target(std::string id) {
  auto& m = at(id);
  auto heard = Clock::now();
  while (static_cast<int>(m.state) < static_cast<int>(State::committed) && !m.failure) {
    std::optional<Error> lost;
    try {
      const auto target =
          co_await ask(peer(m), "GET", reservation_path(m.id), nullptr, kWatchAnswerMax);
      heard = Clock::now();
      if (text_at(target, "state") == "failed") {
        const auto* error = target.if_contains("error");
        lost = error != nullptr && error->is_object()
                   ? http::error_from_json(*error)
                   : Error(Code::target_lost, "the standby at " + m.to + " failed");
      }
    } catch (const Error& error) {
      const bool silent = Clock::now() - heard >= config_.peer_silence_max;
      if (silent || error.code() == Code::unreachable || error.code() == Code::not_found) {
        lost = Error(Code::target_lost,
                     fmt::format("the agent of {} does not answer: {}", m.to, error.failure()),
                     "the job goes on where it is; look at that agent and the network");
      }
    }
    if (lost) {
      note_failure(m, *lost);
      co_return;
    }
    co_await pause_for(kWatchEvery);
  }
}

}  // namespace cardswap
