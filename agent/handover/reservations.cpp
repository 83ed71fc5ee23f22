#include "agent/handover/reservations.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/handover/answers.h"
#include "agent/handover/retention.h"

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

}  // namespace

Reservations::Reservations(const HandoverParts& parts, const Cordons& cordons,
                           const Migrations& migrations)
    : context_(parts.context),
      tasks_(parts.tasks),
      config_(parts.config),
      journal_(parts.journal),
      jobs_(parts.jobs),
      hub_(parts.hub),
      criu_(parts.criu),
      handover_gate_(parts.handover_gate),
      tell_(parts.tell),
      cordons_(cordons),
      migrations_(migrations),
      changed_(parts.context) {}

void Reservations::load() {
  journal_.each(Journal::Kind::reservation, [this](const json::object& record) {
    reservations_.push_back(reservation_from_journal(record));
  });
}

void Reservations::resume_after_restart() {
  for (auto& r : reservations_) {
    fail(r, TargetEvent::restarted,
         Error(Code::target_lost, "the target's agent was restarted", "start the migration again"));
    auto* instance = jobs_.by_instance(r.instance);
    const bool lives = instance != nullptr && instance->live();
    // Granted, and on a full disk its own record was not written after that.
    if (r.granted() && lives && instance->job().standby) {
      jobs_.promote(instance->job(), r.side.record().epoch);
    }
    if (r.side.record().open) tasks_.spawn("tell the source", tell_source(r.migration));
    if (lives) continue;  // its end will be told
    fail(r, TargetEvent::standby_ended,
         Error(Code::target_lost, "the standby ended while the target's agent was away"));
  }
  end_copies();
  take_up_logs();
  forget_old();
}

bool Reservations::is_granted(const Instance& standby) const {
  return std::ranges::any_of(
      reservations_, [&](const Reservation& r) { return r.instance == standby.id && r.granted(); });
}

bool Reservations::keeps(const Instance& standby) const {
  // A copy that outlived its agent lets its GPUs go before it is ended, in
  // resume_after_restart().
  return is_granted(standby) || (standby.init.pid != 0 && is_alive(standby.process));
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

Reservation* Reservations::of(const Instance& instance) {
  for (auto& r : reservations_) {
    if (r.instance == instance.id) return &r;
  }
  return nullptr;
}
const Reservation* Reservations::of(const Instance& instance) const {
  const auto found = std::ranges::find(reservations_, instance.id, &Reservation::instance);
  return found == reservations_.end() ? nullptr : &*found;
}

/// Until its first step is recorded its source may take it back; and after it was taken back.
bool Reservations::may_restart(const Instance& instance) const {
  const auto* r = of(instance);
  return instance.job().newer_epoch == 0 &&
         (r == nullptr || r->side.state() == TargetState::completed);
}

void Reservations::heard(const std::string& migration) {
  auto& r = at(migration);
  r.heard_at = Clock::now();
  r.in_doubt = false;
}

void Reservations::forget_old() {
  keep_few_logs();
  std::vector<std::int64_t> ended;
  for (const auto& r : reservations_) {
    const auto* instance = jobs_.by_instance(r.instance);
    const bool needed = !is_over(r.side.state()) || r.side.record().open ||
                        r.in_use.use_count() > 1 || ending_.contains(r.migration) ||
                        (instance != nullptr && instance->live());
    // One of a release that kept no times is as old as can be.
    ended.push_back(needed ? 0 : std::max<std::int64_t>(r.ended_at_ms, 1));
  }
  std::vector<std::string_view> makers;
  for (const auto& r : reservations_) {
    makers.push_back(r.side.state() == TargetState::failed ? r.owner : std::string_view());
  }
  std::size_t place = 0;
  auto r = reservations_.begin();
  for (const auto forgotten : to_forget(ended, makers, unix_ms())) {
    std::advance(r, forgotten - place);
    try {
      journal_.remove(Journal::Kind::reservation, r->migration);
    } catch (const Error& disk) {
      spdlog::warn("reservation {} is not forgotten yet: {}", r->migration, disk.what());
      return;
    }
    arrivals_.erase(r->migration);
    if (!r->job.empty()) (void)jobs_.forget_standby_log(r->job, r->migration);
    r = reservations_.erase(r);
    place = forgotten + 1;
  }
}

void Reservations::save(const Reservation& r) {
  journal_.put(Journal::Kind::reservation, r.migration, to_journal(r));
}

void Reservations::grant(const std::string& migration, std::uint64_t epoch, const std::string& root,
                         std::uint64_t step) {
  auto& r = at(migration);
  heard(migration);
  const auto before = r.side.state();
  apply(r, Message{Message::Kind::grant, epoch, content_from(root, step)});
  if (r.granted()) return;
  if (r.side.state() != before) {
    throw Error(Code::digest_mismatch,
                fmt::format("the grant of migration {} is for another state", migration));
  }
  throw Error(
      before == TargetState::failed ? Code::not_found : Code::conflict,
      fmt::format("migration {} is {} here and cannot be granted", migration, to_string(before)));
}

asio::awaitable<void> Reservations::drop(std::string migration, std::uint64_t epoch) {
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
  apply(r, Message{Message::Kind::drop, taken_back ? epoch : own});
  if (r.side.state() != state) spdlog::warn("migration {}: {}", migration, r.error->what());
  const auto* instance = jobs_.by_instance(at(migration).instance);
  const bool ended = instance == nullptr || !instance->live();
  if (at(migration).side.state() == TargetState::superseded && ended) {
    fail(at(migration), TargetEvent::standby_ended,
         Error(Code::target_lost, "it had ended before the job was taken back"));
  }
  co_await arrival_ended(migration);
  if (at(migration).side.state() != TargetState::superseded) {
    co_await jobs_.stop(at(migration).instance, milliseconds(0));
  }
}

/// A source that is silent before the state was verified is given up; after it, it is asked for its
/// decision for as long as it takes.
asio::awaitable<void> Reservations::watch_source(std::string migration) {
  auto& r = at(migration);
  const auto pin = r.in_use;
  std::string told;
  while (!r.granted() && r.side.state() != TargetState::failed) {
    co_await pause_for(milliseconds(500));
    const bool starts =
        r.side.state() == TargetState::reserved || r.side.state() == TargetState::starting;
    if (starts && Clock::now() - r.made_at > park_max) {
      fail(r, TargetEvent::standby_failed,
           Error(Code::timed_out,
                 fmt::format("the standby on {} did not park within {} s", config_.host_name,
                             park_max / seconds(1)),
                 "its log is on that host; does the program reach its first step there?"));
      continue;
    }
    if (Clock::now() - r.heard_at < kSourceSilenceMax) continue;
    try {
      fail(r, TargetEvent::source_silent,
           Error(Code::source_lost,
                 fmt::format("the source's agent was silent for {} s", kSourceSilenceMax.count())));
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
