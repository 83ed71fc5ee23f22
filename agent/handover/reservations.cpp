#include "agent/handover/reservations.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "agent/criu/host_match.h"
#include "agent/handover/answers.h"
#include "agent/handover/copies.h"
#include "agent/handover/epochs.h"
#include "agent/handover/migration.h"
#include "agent/handover/retention.h"
#include "agent/http/client.h"
#include "agent/jobs/user_policy.h"
#include "agent/units.h"
#include "migrator/utf8.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Message;
using handover::TargetEvent;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kSourceSilenceMax{10};

/// The end of a log, for an error's text: what the program said last.
std::string last_lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<std::int64_t>(file.tellg());
  file.seekg(std::max<std::int64_t>(0, size - 400));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (auto& c : text) c = c == '\n' ? '|' : c;
  return as_utf8(std::move(text));
}

bool is_over(TargetState state) {
  return state == TargetState::completed || state == TargetState::failed;
}

/// It becomes a part of file names, here and on this host's disk.
std::string migration_id(std::string id) {
  const bool known = !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!known) throw Error(Code::bad_request, "'migration' is no id of a migration");
  return id;
}

std::string how_it_ended(const Job& job) {
  if (job.exit_signal) return fmt::format("was ended by signal {}", *job.exit_signal);
  if (job.exit_code) return fmt::format("ended with exit {}", *job.exit_code);
  return "ended";
}

}  // namespace

Reservations::Reservations(asio::io_context& context, TaskGroup& tasks, const Config& config,
                           Journal& journal, Jobs& jobs, RuntimeHub& hub, criu::Host& criu)
    : context_(context),
      tasks_(tasks),
      config_(config),
      journal_(journal),
      jobs_(jobs),
      hub_(hub),
      criu_(criu),
      changed_(context) {}

void Reservations::recover() {
  journal_.each(Journal::Kind::reservation, [this](const json::object& record) {
    reservations_.push_back(reservation_from_journal(record));
  });
}

void Reservations::take_up() {
  for (auto& r : reservations_) {
    fail(r, TargetEvent::restarted,
         Error(Code::target_lost, "the target's agent was restarted", "start the migration again"));
    const auto* job = jobs_.by_instance(r.instance);
    if (r.side.record().open) tasks_.spawn("tell the source", tell_source(r.migration));
    if (job != nullptr && job->live()) continue;  // its end will be told
    fail(r, TargetEvent::standby_ended,
         Error(Code::target_lost, "the standby ended while the target's agent was away"));
  }
  end_copies();
  forget_old();
}

bool Reservations::is_granted(const Job& standby) const {
  return std::ranges::any_of(reservations_, [&](const Reservation& r) {
    return r.instance == standby.instance && r.granted();
  });
}

bool Reservations::keeps(const Job& standby) const {
  // A copy that outlived its agent lets its GPUs go before it is ended, in take_up().
  return is_granted(standby) || (standby.init.pid != 0 && is_alive(standby.process));
}

ApiAnswer Reservations::reserve(const ApiRequest& request, const DataAddress& place) {
  const auto id = migration_id(request.text("migration"));
  const auto* job = request.body.if_contains("job");
  if (job == nullptr || !job->is_object())
    throw Error(Code::bad_request, "'job' must be an object");
  auto spec = job_spec_from(job->get_object());
  spec.device = request.text("device");
  AdmissionRequest asked;
  asked.job = spec.name;
  asked.device = spec.device;
  asked.state_bytes = static_cast<std::uint64_t>(request.number_or("state_bytes", 0));
  asked.devices = jobs_.devices();
  asked.host = config_.host_name;
  const auto* same_name = jobs_.find(spec.name);
  asked.name_is_taken = same_name != nullptr && same_name->live() && same_name->uid != spec.uid;
  asked.is_there = same_name != nullptr && same_name->live() && same_name->uid == spec.uid &&
                   same_name->device == spec.device;
  if (closed) asked.closed = closed(spec.device);
  auto admission = admit(asked);
  if (!place.problem.empty()) admission.blocked_reasons.push_back(place.problem);
  const auto epoch = static_cast<std::uint64_t>(request.number_or("epoch", 0));
  if (const auto known = known_epoch ? known_epoch(spec.uid) : 0; handover::is_old(epoch, known)) {
    const auto text = fmt::format(
        "{} knows of epoch {} of job {}: epoch {}, which would come from {}, is a copy of it that "
        "must not go on",
        config_.host_name, known, spec.name, epoch, request.text_or("from", "elsewhere"));
    spdlog::error("{}", text);
    if (tell) tell({"two_epochs", text, spec.name, spec.device, id});
    admission.blocked_reasons.push_back(text);
  }
  for (const auto& job : jobs_.all()) {
    if (job.uid != spec.uid || spec.uid.empty() || !job.live() || job.newer_epoch == 0) continue;
    admission.blocked_reasons.push_back(
        fmt::format("a superseded copy of job {} stands on {}: `cardswap stop {}` there ends it",
                    job.name, config_.host_name, job.name));
  }
  const bool by_criu = request.text_or("arrive", "standby") == "criu";
  if (by_criu) add_blocks(request, admission);
  try {
    check_may_run_as(config_, spec.user, request.caller);
    // What CRIU brings is restored from its image, not started: what that needs was looked at.
    if (by_criu && !spec.user.empty()) (void)job_user(spec.user);
    const auto error = by_criu ? std::nullopt : why_not_started(spec, config_);
    if (error) admission.block(error->failure(), error->hint());
  } catch (const Error& error) {
    admission.block(error.failure(), error.hint());
  }
  if (!admission.blocked_reasons.empty() || request.flag_or("dry_run", false)) {
    json::array reasons;
    for (const auto& reason : admission.blocked_reasons) reasons.emplace_back(reason);
    return {200, json::object{{"accepted", reasons.empty()},
                              {"code", admission.no_memory ? "no_memory" : "refused"},
                              {"hint", admission.hint},
                              {"blocked_reasons", reasons}}};
  }
  forget_old();
  for (const auto& r : reservations_) {
    if (r.migration == id) throw Error(Code::conflict, "this migration has a reservation already");
  }
  Reservation made;
  made.migration = id;
  made.from = request.text_or("from", "");
  made.from_api = way_back(request.text_or("from_api", ""), request.caller.came_from);
  made.data_host = made.image_host = place.host;
  if (!request.caller.owner) made.owner = request.caller.name;
  made.data_token = random_hex(16);
  if (request.flag_or("encrypt", false)) made.data_key = random_hex(32);
  made.heard_at = Clock::now();
  made.spec = spec;
  made.state_bytes = asked.state_bytes;
  made.framework = request.text_or("framework", "");
  if (by_criu) {
    made.arrive = channel::Arrival::criu;
    made.source_gpus = criu::needs_from_json(request.body.at("process").as_object()).gpus;
  }
  made.homed_bytes = static_cast<std::uint64_t>(request.number_or("homed_bytes", 0));
  auto& r = reservations_.emplace_back(std::move(made));
  try {
    feed(r, Message{Message::Kind::reserve, epoch});
  } catch (...) {
    if (r.side.state() == TargetState::nothing) {  // nothing is on disk
      reservations_.pop_back();
      throw;
    }
    fail(r, TargetEvent::standby_ended,
         error_of(std::current_exception())
             .within(fmt::format("start the standby of {} on {}", spec.name, config_.host_name)));
    return {200, json::object{{"accepted", false},
                              {"code", "refused"},
                              {"hint", r.error->hint()},
                              {"blocked_reasons", json::array{r.error->failure()}}}};
  }
  return {200, json::object{{"accepted", true}, {"reservation", to_json(r)}}};
}

void Reservations::start_standby(Reservation& r) {
  const auto& spec = *r.spec;
  spdlog::info("job {} migration {} reserved {} on {}", spec.name, r.migration,
               format_size(r.state_bytes), spec.device);
  std::vector<std::string> stand_in;
  if (r.arrive == channel::Arrival::criu) stand_in = prepare_arrival(r);
  auto& standby = jobs_.start_standby(spec, r.migration, r.side.record().epoch, r.state_bytes,
                                      r.from, stand_in);
  r.instance = standby.instance;
  if (!stand_in.empty()) tasks_.spawn("restore " + spec.name, arrive(r.migration));
  jobs_.set_state(standby, "standby");
  feed(r, TargetEvent::standby_started);
  tasks_.spawn("watch the source of " + r.migration, watch_source(r.migration));
}

bool Reservations::has(const std::string& migration) const {
  return std::any_of(reservations_.begin(), reservations_.end(),
                     [&](const Reservation& r) { return r.migration == migration; });
}

Reservation& Reservations::at(const std::string& migration) {
  for (auto& r : reservations_) {
    if (r.migration == migration) return r;
  }
  throw Error(Code::not_found,
              fmt::format("{} holds nothing for migration {}", config_.host_name, migration));
}

Reservation& Reservations::at(const std::string& migration, const Caller& caller) {
  auto& r = at(migration);
  if (caller.owner || r.owner.empty() || r.owner == caller.name) return r;
  spdlog::warn("migration {}: {} asks about what {} has reserved", migration, caller.name, r.owner);
  throw Error(Code::not_found,
              fmt::format("{} holds nothing for migration {}", config_.host_name, migration),
              "only the agent that reserved a place, by its certificate's name, may ask about it");
}

Reservation* Reservations::of(const Job& job) {
  for (auto& r : reservations_) {
    if (r.instance == job.instance) return &r;
  }
  return nullptr;
}
const Reservation* Reservations::of(const Job& job) const {
  const auto found = std::ranges::find(reservations_, job.instance, &Reservation::instance);
  return found == reservations_.end() ? nullptr : &*found;
}

/// Until its first step is recorded its source may take it back; and after it was taken back.
bool Reservations::may_restart(const Job& job) const {
  const auto* r = of(job);
  return job.newer_epoch == 0 && (r == nullptr || r->side.state() == TargetState::completed);
}

void Reservations::heard(const std::string& migration) {
  auto& r = at(migration);
  r.heard_at = Clock::now();
  r.in_doubt = false;
}

channel::Welcome Reservations::welcome(const Job& standby) {
  channel::Welcome welcome;
  welcome.migration = standby.migration;
  if (const auto* r = of(standby)) {
    welcome.epoch = r->granted() ? r->side.record().epoch : 0;
    welcome.granted = r->granted();
    welcome.data_token = r->data_token;
    welcome.data_key = r->data_key;
    welcome.data_host = r->image_host;
  }
  welcome.transports = config_.transports;
  return welcome;
}

void Reservations::on_message(Job& job, const channel::Message& message) {
  auto* r = of(job);
  if (r == nullptr || is_from_holder(*r, message)) return;
  if (const auto* parked = std::get_if<channel::Parked>(&message)) {
    const bool by_standby = r->arrive == channel::Arrival::standby;
    if (by_standby && !r->framework.empty() && r->framework != job.framework) {
      fail(*r, TargetEvent::standby_failed,
           Error(Code::refused,
                 fmt::format("job {} runs on {}, its standby on {} on {}", job.name, r->framework,
                             config_.host_name, job.framework),
                 "the two compute other bits: install the same release on both hosts"));
      return;
    }
    r->data_host = parked->host;
    r->data_port = parked->port;
    look_at_files(*r, job);
    feed(*r, TargetEvent::standby_parked);
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    if (r->arrived) {
      r->verify_ms =
          std::chrono::duration<double, std::milli>(Clock::now() - r->restored_at).count();
    }
    try {
      feed(*r, handover::Content{verified->root, verified->step});
    } catch (const Error& disk) {
      // The source is frozen and waits for this record: better it learns that there is none.
      if (r->side.state() != TargetState::parked) throw;
      fail(*r, TargetEvent::standby_failed, disk.within("hold the state on " + config_.host_name));
    }
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    // A standby that holds the whole state needs its source no more, only the decision.
    const bool gone = failed->code == Code::link_lost || failed->code == Code::source_lost ||
                      failed->code == Code::cancelled;
    const bool holds = r->side.state() == TargetState::verified && gone;
    if ((!r->granted() && !holds) || failed->code == Code::digest_mismatch) {
      fail(*r, TargetEvent::standby_failed, Error(failed->code, failed->failure, failed->hint));
    }
  } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
    r->downtime_ms = resumed->downtime_ms;
    r->clock_error_ms = resumed->clock_error_ms;
    feed(*r, TargetEvent::standby_resumed);
  } else if (std::holds_alternative<channel::FirstStep>(message)) {
    feed(*r, TargetEvent::standby_stepped);
  } else if (const auto* ended = std::get_if<channel::Ended>(&message)) {
    // A job whose last step was the one it moved at has no further step to take.
    if (r->granted() && ended->step >= r->side.record().content.step) {
      feed(*r, TargetEvent::standby_stepped);
    }
  }
}

void Reservations::on_exit(Job& job) {
  auto* r = of(job);
  if (r == nullptr) return;
  const auto said = last_lines(job.log_path);
  fail(*r, TargetEvent::standby_ended,
       Error(Code::target_lost,
             fmt::format("the standby of job {} on {} {}{}{}", job.name, config_.host_name,
                         how_it_ended(job), said.empty() ? "" : "; its last words: ", said),
             "the program must reach its first step there: check files, arguments and memory; "
             "`cardswap logs " +
                 job.name + "` there shows its log"));
}

/// `error` is why, where the event leads somewhere and nothing was wrong before.
void Reservations::fail(Reservation& r, TargetEvent event, Error error) {
  auto next = r.side;
  const auto acts = next.on(event);
  if (acts.empty()) return;
  spdlog::warn("migration {}: {}", r.migration, error.what());
  if (!r.error) r.error = std::move(error);
  carry_out(r, next, acts);
}

/// What is to be sent is the caller's to send.
handover::Acts Reservations::feed(Reservation& r, TargetEvent event) {
  auto next = r.side;
  const auto acts = next.on(event);
  carry_out(r, next, acts);
  return acts;
}
handover::Acts Reservations::feed(Reservation& r, const Message& message) {
  auto next = r.side;
  const auto acts = next.on(message);
  carry_out(r, next, acts);
  return acts;
}
handover::Acts Reservations::feed(Reservation& r, const handover::Content& verified) {
  auto next = r.side;
  const auto acts = next.verified(verified);
  carry_out(r, next, acts);
  return acts;
}

void Reservations::carry_out(Reservation& r, const handover::TargetSide& next,
                             const handover::Acts& acts) {
  using Verb = handover::Act::Verb;
  auto* job = jobs_.by_instance(r.instance);
  for (const auto& act : acts) {
    switch (act.verb) {
      case Verb::journal: {
        auto record = r;
        record.side = next;
        ++record.version;
        if (record.ended_at_ms == 0 && is_over(next.state())) record.ended_at_ms = unix_ms();
        try {
          save(record);
        } catch (const Error& error) {
          spdlog::error("migration {}: {}", r.migration, error.what());
          if (act.required) throw;
        }
        r = std::move(record);
        if (standstill) {
          standstill(r.migration,
                     next.state() == TargetState::verified || next.state() == TargetState::granted);
        }
        spdlog::info("migration {} here: {}", r.migration, to_string(next.state()));
        changed_.notify();
        break;
      }
      case Verb::start_standby: start_standby(r); return;
      case Verb::kill_standby: end_standby(r); break;
      case Verb::grant:
        if (job == nullptr) break;
        jobs_.promote(*job, act.epoch);
        if (const auto here = arrivals_.find(r.migration); here != arrivals_.end()) {
          here->second->grant();
        }
        hub_.send(*job, channel::Grant{r.migration, act.epoch, next.record().content.root});
        spdlog::info("job {} is granted to this host under epoch {}", job->name, act.epoch);
        break;
      case Verb::fence: {
        const auto newer = std::max(act.epoch, job != nullptr ? job->newer_epoch : 0);
        if (job != nullptr) jobs_.fence(*job, newer);
        tell_two_copies(r, job != nullptr ? job->name : "?", newer, tell);
        break;
      }
      case Verb::go_on:
        if (job != nullptr) hub_.send(*job, channel::Release{r.migration});
        break;
      default: break;
    }
  }
}

void Reservations::forget_old() {
  std::vector<std::int64_t> ended;
  for (const auto& r : reservations_) {
    const auto* job = jobs_.by_instance(r.instance);
    const bool needed = !is_over(r.side.state()) || r.side.record().open ||
                        r.in_use.use_count() > 1 || ending_.contains(r.migration) ||
                        (job != nullptr && job->live());
    // One of a release that kept no times is as old as can be.
    ended.push_back(needed ? 0 : std::max<std::int64_t>(r.ended_at_ms, 1));
  }
  std::size_t place = 0;
  auto r = reservations_.begin();
  for (const auto forgotten : to_forget(ended, unix_ms())) {
    std::advance(r, forgotten - place);
    try {
      journal_.remove(Journal::Kind::reservation, r->migration);
    } catch (const Error& disk) {
      spdlog::warn("reservation {} is not forgotten yet: {}", r->migration, disk.what());
      return;
    }
    arrivals_.erase(r->migration);
    r = reservations_.erase(r);
    place = forgotten + 1;
  }
}

void Reservations::save(const Reservation& r) {
  journal_.put(Journal::Kind::reservation, r.migration, to_journal(r));
}

asio::awaitable<ApiAnswer> Reservations::grant(std::string migration, std::uint64_t epoch,
                                               std::string root, std::uint64_t step) {
  auto& r = at(migration);
  heard(migration);
  const auto before = r.side.state();
  feed(r, Message{Message::Kind::grant, epoch, content_from(root, step)});
  if (r.granted()) co_return ApiAnswer{200, to_json(r)};
  if (r.side.state() != before) {
    throw Error(Code::digest_mismatch,
                fmt::format("the grant of migration {} is for another state", migration));
  }
  throw Error(
      before == TargetState::failed ? Code::not_found : Code::conflict,
      fmt::format("migration {} is {} here and cannot be granted", migration, to_string(before)));
}

asio::awaitable<ApiAnswer> Reservations::drop(std::string migration, std::uint64_t epoch) {
  const auto& before = at(migration);
  const bool taken_back = epoch > before.side.record().epoch;
  const bool gone = before.side.state() == TargetState::stopping;
  if ((before.granted() && !taken_back) || gone) {
    throw Error(Code::conflict, fmt::format("migration {} was granted to {}: the job is here",
                                            migration, config_.host_name));
  }
  const auto pin = before.in_use;
  heard(migration);
  const auto own = before.side.record().epoch;
  auto& r = at(migration);
  if (!r.error) {
    r.error = Error(Code::cancelled, taken_back ? "an operator gave the job back to the source"
                                                : "the source's agent gave the migration up");
  }
  const auto state = r.side.state();
  feed(r, Message{Message::Kind::drop, taken_back ? epoch : own});
  if (r.side.state() != state) spdlog::warn("migration {}: {}", migration, r.error->what());
  const auto* job = jobs_.by_instance(at(migration).instance);
  if (at(migration).side.state() == TargetState::superseded && (job == nullptr || !job->live())) {
    fail(at(migration), TargetEvent::standby_ended,
         Error(Code::target_lost, "it had ended before the job was taken back"));
  }
  co_await arrival_ended(migration);
  if (at(migration).side.state() != TargetState::superseded) {
    co_await jobs_.stop(at(migration).instance, milliseconds(0));
  }
  co_return ApiAnswer{200, to_json(at(migration))};
}

/// A source that is silent before the state was verified is given up; after it, it is asked for its
/// decision for as long as it takes.
asio::awaitable<void> Reservations::watch_source(std::string migration) {
  auto& r = at(migration);
  const auto pin = r.in_use;
  std::string told;
  while (!r.granted() && r.side.state() != TargetState::failed) {
    co_await pause_for(milliseconds(500));
    if (Clock::now() - r.heard_at < kSourceSilenceMax) continue;
    auto next = r.side;
    const auto acts = next.on(TargetEvent::source_silent);
    try {
      if (acts.size() == 1 && acts.begin()->verb == handover::Act::Verb::send) {
        co_await learn_decision(r);
      } else {
        fail(r, TargetEvent::source_silent,
             Error(Code::source_lost, fmt::format("the source's agent was silent for {} s",
                                                  kSourceSilenceMax.count())));
      }
    } catch (...) {  // a full disk, say: it is asked again, for as long as it takes
      if (tasks_.stopping()) throw;
      const auto error = error_of(std::current_exception());
      if (std::exchange(told, error.failure()) != told) {
        spdlog::error("migration {}: {}", migration, error.what());
      }
    }
  }
}

}  // namespace cardswap
