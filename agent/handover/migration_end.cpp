#include "agent/handover/migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/answers.h"
#include "agent/handover/copies.h"
#include "agent/process/process_tree.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Event;
using handover::Message;
using handover::State;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kRetireGrace{10};
constexpr seconds kTermGrace{5};
constexpr milliseconds kRetryFirst{100};
constexpr milliseconds kRetryMax{2000};

}  // namespace

/// The one door through which a state changes: by the rules, and on disk first. What is to be sent
/// to the target is the caller's to send.
handover::Acts Migrations::feed(Migration& m, Event event) {
  auto next = side_of(m);
  const auto acts = next.on(event);
  carry_out(m, next, acts);
  return acts;
}
handover::Acts Migrations::feed(Migration& m, const Message& message) {
  auto next = side_of(m);
  const auto acts = next.on(message);
  carry_out(m, next, acts);
  return acts;
}

handover::SourceSide Migrations::side_of(const Migration& m) const {
  handover::Content content;
  if (!m.root.empty()) content = {digest_from(m.root), m.migrated_at_step};
  // A reclaim is an end that comes after a commit, which leaves the root.
  const bool reclaimed = !m.root.empty() && !handover::is_committed(m.state);
  handover::SourceSeen seen;
  if (m.verified && m.frozen_at) seen.ours = {*m.verified, *m.frozen_at};
  seen.theirs = m.theirs;
  const auto own = m.own_epoch != 0 ? m.own_epoch : reclaimed ? m.epoch + 1 : m.epoch - 1;
  return handover::SourceSide({m.state, m.epoch, own, content, m.open}, seen);
}

void Migrations::carry_out(Migration& m, const handover::SourceSide& side,
                           const handover::Acts& acts) {
  using Verb = handover::Act::Verb;
  auto next = m;
  next.state = side.state();
  next.own_epoch = side.record().own;
  next.open = side.record().open;
  if (handover::is_committed(next.state)) next.root = to_string(side.record().content.root);
  for (const auto& act : acts) {
    auto* job = jobs_.by_instance(m.instance);
    switch (act.verb) {
      case Verb::journal:
        ++next.version;
        next.history.emplace_back(to_string(next.state), unix_ms());
        try {
          sample(next);
          save(next);
        } catch (const Error& disk) {
          if (act.required) throw;
          spdlog::error("job {} migration {}: {}", m.spec.job, m.id, disk.what());
        }
        m = next;
        if (handover::is_over(m.state) && running_of(m.instance) == &m) live_.erase(m.instance);
        standstill_.note(m.id, m.state == State::freezing || m.state == State::verifying ||
                                   m.state == State::committed);
        spdlog::info("job {} migration {} {}", m.spec.job, m.id, to_string(m.state));
        changed_.notify();
        break;
      case Verb::release:
        if (job == nullptr) break;
        if (job->epoch < act.epoch) {
          job->epoch = act.epoch;
          // The migration's record has it: on a full disk the trainer goes on all the same, and
          // recover() gives the job its epoch.
          jobs_.save_when_possible(*job);
        }
        release_trainer(m);
        break;
      case Verb::freeze:
        if (job != nullptr) hub_.send(*job, channel::Freeze{m.id});
        break;
      case Verb::retire:
        if (job == nullptr) break;
        job->moved_to = m.spec.to;
        jobs_.set_state(*job, "moved");
        if (m.spec.arrive == channel::Arrival::criu) {
          end_original(m, *job);  // it is stopped, and cannot hear
        } else {
          hub_.send(*job, channel::Retire{m.id});
        }
        break;
      case Verb::fence:
        if (job != nullptr) jobs_.fence(*job, act.epoch);
        tell_two_copies(m, tell_);
        break;
      case Verb::end_trainer:
        if (job == nullptr) break;
        spdlog::warn("job {} migration {}: its process does not leave, and is ended", m.spec.job,
                     m.id);
        tasks_.spawn("see " + m.spec.job + " off", jobs_.see_off(m.instance, kTermGrace));
        break;
      case Verb::page:
        spdlog::error(
            "job {} migration {} is in doubt: the agent of {} does not tell whether it "
            "has the job; the source stays frozen",
            m.spec.job, m.id, m.spec.to);
        if (tell_) {
          tell_({"in_doubt",
                 fmt::format("{} does not tell whether it has job {}; nothing steps here; {}",
                             m.spec.to, m.spec.job, what_to_do_in_doubt(m.id, m.spec.to)),
                 m.spec.job, m.device(), m.id});
        }
        break;
      default: break;  // begin_sync needs the standby's address; sends are the caller's
    }
  }
}

void Migrations::recover() {
  journal_.each(Journal::Kind::migration, [this](const json::object& record) {
    migrations_.push_back(migration_from_journal(record));
  });
  for (auto& m : migrations_) {
    if (!handover::is_over(m.state)) live_[m.instance] = &m;
    auto* job = jobs_.by_instance(m.instance);
    if (m.state == State::completed && job != nullptr && job->ended_at_ms == 0) {
      // The word that it may end was lost, or was not heeded: its job is elsewhere.
      jobs_.set_state(*job, "moved");
      tasks_.spawn("see " + m.spec.job + " off", jobs_.see_off(m.instance, milliseconds(0)));
      end_original(m, *job);
    }
    if (m.state == State::completed && m.result.empty()) {  // the disk was full then
      m.result = "ok";
      m.ended_at_ms = unix_ms();
      tasks_.spawn("record the end of " + m.id, record_end(m, m.in_use));
    }
    if (handover::is_given_up(m.state) && job != nullptr && job->epoch < m.own_epoch) {
      job->epoch = m.own_epoch;  // taken back while the disk was full
      jobs_.save_when_possible(*job);
    }
    if (m.open) tasks_.spawn("tell the target of " + m.id, tell_the_lower_one(m.id));
    if (m.state == State::superseded && job != nullptr) jobs_.keep_fenced(*job);
    if (handover::is_over(m.state)) continue;
    spdlog::info("migration {} of job {} was {} when the agent ended", m.id, m.spec.job,
                 to_string(m.state));
    if (handover::is_committed(m.state)) {
      tasks_.spawn("finish migration " + m.id, settle(m.id, std::nullopt));
      continue;
    }
    if (!m.error) {
      m.error = Error(Code::source_lost,
                      m.root.empty() ? "the source's agent was restarted before the commit"
                                     : "the job was taken back when the source's agent restarted",
                      "the job goes on where it is: start the migration again");
    }
    auto side = side_of(m);
    const auto acts = side.recover();
    carry_out(m, side, acts);
    tasks_.spawn("clean up after migration " + m.id, settle(m.id, std::nullopt));
  }
  forget_old();
  for (const auto& root : criu_.cuda().trees(criu::CudaIntent::Side::source)) {
    const auto is_its = [&](const Migration& m) {
      const auto* job = jobs_.by_instance(m.instance);
      return !handover::is_over(m.state) && job != nullptr && job->process == root;
    };
    if (std::ranges::any_of(migrations_, is_its)) continue;
    tasks_.spawn(fmt::format("bring the CUDA state of {} back", root.pid), bring_back(root));
  }
}

/// Sees to it that the target has the job; called again by a restarted agent.
asio::awaitable<void> Migrations::finish(Migration& m) {
  if (m.hold_at == "committed") {
    m.held = true;
    bump(m);
    while (!m.proceed) co_await changed_.wait_until(Clock::now() + std::chrono::hours(1));
    m.held = false;
  }
  const auto agent = peer(m).text();
  auto retry = kRetryFirst;
  bool granted = m.state == State::resumed;
  std::uint64_t seen = 0;
  auto heard = Clock::now();
  std::string refused;  // by the disk
  while (handover::is_committed(m.state) && m.state != State::completed) {
    std::optional<Message> answer;
    bool silent = false;
    try {
      if (!granted) {
        json::object body{{"epoch", m.epoch}, {"root", m.root}, {"step", m.migrated_at_step}};
        co_await ask(peer(m), "POST", reservation_path(m.id) + "/grant", std::move(body),
                     seconds(3));
      }
      granted = true;
    } catch (const Error& error) {
      // Refused is answered: its state says why.
      silent = error.code() != Code::not_found && error.code() != Code::conflict &&
               error.code() != Code::digest_mismatch;
      if (silent && retry == kRetryFirst) {
        spdlog::warn("job {} migration {}: the grant is not answered yet: {}", m.spec.job, m.id,
                     error.what());
      }
    }
    try {
      if (!silent) {
        const auto target = co_await ask(
            peer(m), "GET", fmt::format("{}?after={}&wait_ms=500", reservation_path(m.id), seen),
            nullptr, seconds(3));
        const auto status = target_status_from(agent, m.epoch, target);
        seen = status.version;
        answer = status.message;
        if (handover::is_granted(answer->state)) {
          m.downtime_ms = status.downtime_ms;
          m.clock_error_ms = status.clock_error_ms;
        }
        retry = kRetryFirst;
      }
    } catch (const Error& error) {
      if (error.code() == Code::not_found) answer = Message{Message::Kind::status, m.epoch};
    }
    if (!handover::is_committed(m.state) || m.state == State::completed) break;  // by force
    if (answer) {
      heard = Clock::now();
      try {
        feed(m, *answer);
        refused.clear();
      } catch (const Error& disk) {
        // What is not on disk has not happened here; the target is asked again.
        if (std::exchange(refused, disk.failure()).empty()) {
          spdlog::error("job {} migration {}: {}", m.spec.job, m.id, disk.what());
        }
      }
    } else if (Clock::now() - heard >= config_.peer_silence_max) {
      feed(m, Event::target_silent);
    }
    if (m.state == State::in_doubt) granted = false;
    if (m.state == State::completed || !handover::is_committed(m.state)) break;
    co_await pause_for(retry);
    retry = std::min(retry * 2, kRetryMax);
  }
  if (m.state == State::completed) {
    co_await see_off(m);
    co_return;
  }
  m.error = Error(Code::target_lost,
                  m.forced.empty()
                      ? fmt::format("the target {} lost the job before its first step", m.spec.to)
                      : fmt::format("an operator took the job back from {}", m.spec.to),
                  "the job goes on where it was; look at the target's agent before trying again");
  spdlog::error("job {} migration {}: {}; the source takes the job back", m.spec.job, m.id,
                m.error->failure());
  co_await clean_up(m);
}

/// What came of a migration is written when the disk takes it; nothing waits for that.
asio::awaitable<void> Migrations::record_end(Migration& m, std::shared_ptr<void>) {
  for (bool told = false;;) {
    try {
      save(m);
      co_return;
    } catch (const Error& disk) {
      if (!std::exchange(told, true)) {
        spdlog::error("job {} migration {}: {}", m.spec.job, m.id, disk.what());
      }
    }
    co_await pause_for(kRetryMax);
  }
}

/// The job is at the target for good: the process here ends.
asio::awaitable<void> Migrations::see_off(Migration& m) {
  departures_.erase(m.id);
  m.result = "ok";
  m.ended_at_ms = unix_ms();
  tasks_.spawn("record the end of " + m.id, record_end(m, m.in_use));
  bump(m);
  spdlog::info("job {} migration {} moved to {} at step {}, downtime {}", m.spec.job, m.id,
               m.spec.to, m.migrated_at_step, format_ms(m.downtime_ms));
  // Its loop ends by itself; what does not end is ended.
  const auto grace = Clock::now() + kRetireGrace;
  while (true) {
    auto* job = jobs_.by_instance(m.instance);
    if (job == nullptr || job->ended_at_ms != 0) co_return;
    if (Clock::now() >= grace) break;
    co_await jobs_.changed().wait_until(grace);
  }
  feed(m, Event::trainer_stays);
}

void Migrations::release_trainer(Migration& m) {
  if (auto* job = jobs_.by_instance(m.instance)) {
    if (m.keeper.pid != 0 && !m.released && !m.continuing) {  // it may be stopped
      m.continuing = true;
      continue_stopped(job->process);
      tasks_.spawn("continue " + m.spec.job, let_go_on(m.id));
    }
    hub_.send(*job, channel::Release{m.id});
    job->frozen = false;
    job->migration.clear();
  }
}

asio::awaitable<void> Migrations::abort(Migration& m, Error error) {
  m.error = std::move(error);
  feed(m, Event::failed);
  spdlog::warn("job {} migration {} is given up: {}", m.spec.job, m.id, m.error->what());
  co_await clean_up(m);
}

/// The trainer goes on; the target is cleaned up, and tried for a while if it does not answer: it
/// gives up by itself when this agent is silent.
asio::awaitable<void> Migrations::clean_up(Migration& m) {
  auto retry = kRetryFirst;
  const auto until = Clock::now() + seconds(8);
  while (Clock::now() < until) {
    bool refused = false;
    try {
      co_await ask(peer(m), "DELETE", drop_path(m), nullptr, seconds(3));
      break;
    } catch (const Error& failed) {
      // Unauthorized: not even the reservation got there, or it ends by this agent's silence. So it
      // does at an agent that answers what is no answer.
      if (failed.code() == Code::not_found || failed.code() == Code::unreachable ||
          failed.code() == Code::unauthorized || failed.code() == Code::protocol_mismatch) {
        break;
      }
      refused = failed.code() == Code::conflict;  // it was granted the job
    }
    if (refused) co_await meet(m.id);
    if (m.state == State::superseded) break;
    co_await pause_for(retry);
    retry = std::min(retry * 2, kRetryMax);
  }
  co_await end_departure(m);
  const auto* job = jobs_.by_instance(m.instance);
  m.job_ended = job == nullptr || !is_alive(job->process);
  m.result = m.error->code() == Code::cancelled ? "cancelled" : "failed";
  m.ended_at_ms = unix_ms();
  feed(m, Event::cleaned_up);
  if (m.open) tasks_.spawn("tell the target of " + m.id, tell_the_lower_one(m.id));
}

}  // namespace cardswap
